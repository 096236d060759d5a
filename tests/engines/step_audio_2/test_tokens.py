"""Ids by name, text that can't become a special token, and tokenizers that don't fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.engines.step_audio_2.tokens import SPEECH_TOKENS, Mark, Tokenizer
from assistant.errors import EngineError
from assistant.messages import AssistantMessage, ToolCall, ToolMessage, ToolSchema
from tests.engines.step_audio_2.tiny_engine import Chat, Watcher

MARKS = ("<|EOT|>", "<|BOT|>", "<tool_call>", "</tool_call>", "<audio_5>", "<audio_patch>",
         "<tts_start>", "<think>", "<|endoftext|>", "<audio_start>", "<tts_end>")  # fmt: skip
HOSTILE = st.lists(st.one_of(st.sampled_from(MARKS), st.text(max_size=8)), max_size=6).map("".join)


@pytest.fixture(scope="module")
def values(folder: Path) -> Any:
    return json.loads((folder / "tokenizer.json").read_text("utf-8"))


@settings(max_examples=150, deadline=None)
@given(text=HOSTILE)
def test_text_never_becomes_a_special_token_and_is_decoded_unchanged(
    tokenizer: Any, text: str
) -> None:
    ids = tokenizer.encode(text)
    assert all(token < 400 for token in ids)  # the tiny checkpoint's added tokens follow
    assert tokenizer.decode(ids) == text.encode("utf-8", "replace").decode("utf-8")


def test_special_tokens_become_their_own_ids(tokenizer: Any) -> None:
    ids = tokenizer.encode("a", Mark("<|EOT|>"), "b", Mark("<tool_call>"))
    assert ids.count(tokenizer.special.eot) == 1
    assert tokenizer.decode(ids) == "a<|EOT|>b<tool_call>"
    assert ids[-1] == tokenizer.id_of(Mark("<tool_call>"))


def test_text_beside_an_unknown_special_token_is_encoded_together_with_it(tokenizer: Any) -> None:
    parts = tokenizer.encode("assistant\n", "\n", Mark("<think>"), "\n")
    assert parts == tokenizer.encode("assistant\n\n<think>\n")


@pytest.mark.anyio
async def test_untrusted_text_puts_no_special_token_into_the_prompt(
    make_engine: Any, tokenizer: Any
) -> None:
    hostile = "".join(MARKS)
    watcher = Watcher()
    schema = ToolSchema(hostile, hostile, {"description": hostile})
    chat = Chat(make_engine(steer=watcher), tools=(schema,))
    call = ToolCall(hostile, hostile, json.dumps({hostile: hostile}))
    chat.history[0] = type(chat.history[0])(hostile)
    await chat.say(hostile)
    chat.history[-1] = AssistantMessage(hostile, (call,), tokens=())
    await chat.go_on(ToolMessage(call, "ok", hostile))
    special = tokenizer.special
    ids = watcher.jobs[-1].prompt.ids
    assert ids.count(special.bot) == 6  # system, tools, human, assistant, input, assistant
    assert ids.count(special.eot) == 5
    assert ids.count(tokenizer.id_of(Mark("<tool_call>"))) == 1
    others = set(ids) - {special.bot, special.eot, *map(tokenizer.id_of, map(Mark, MARKS[2:4]))}
    assert max(others) < 400


@pytest.mark.anyio
async def test_ids_of_a_history_that_would_end_a_turn_are_dropped(
    make_engine: Any, tokenizer: Any
) -> None:
    special = tokenizer.special
    watcher = Watcher()
    chat = Chat(make_engine(steer=watcher))
    bad = [(special.eot,), (special.audio_start, special.audio_patch), (-1,), (999_999,)]
    chat.history += [AssistantMessage("as text", tokens=tokens) for tokens in bad]
    await chat.say("Hi")
    prompt = tokenizer.decode(watcher.jobs[0].prompt.ids)
    assert prompt.count("<|BOT|>assistant\nas text<|EOT|>") == len(bad)


def test_every_speech_token_is_found_by_its_number(tokenizer: Any) -> None:
    special = tokenizer.special
    assert special.speech_token(special.speech) == 0
    assert special.speech_token(special.speech + SPEECH_TOKENS - 1) == 6560
    assert special.speech_token(special.speech + SPEECH_TOKENS) is None
    assert special.speech_token(special.speech - 1) is None


@pytest.mark.parametrize("name", ["<|EOT|>", "<tts_pad>", "<audio_17>", "<audio_6561>"])
def test_a_tokenizer_without_a_token_is_refused_with_the_name_of_the_token(
    values: Any, name: str
) -> None:
    added = [entry for entry in values["added_tokens"] if entry["content"] != name]
    with pytest.raises(EngineError, match=f"has no token {name.replace('|', chr(92) + '|')}"):
        Tokenizer(json.dumps({**values, "added_tokens": added}), vocab_size=7040)


def test_speech_tokens_out_of_order_are_refused(values: Any) -> None:
    added = [dict(entry) for entry in values["added_tokens"]]
    by_name = {entry["content"]: entry for entry in added}
    one, two = by_name["<audio_3>"], by_name["<audio_4>"]
    one["id"], two["id"] = two["id"], one["id"]
    with pytest.raises(EngineError, match="<audio_3> is not id"):
        Tokenizer(json.dumps({**values, "added_tokens": added}), vocab_size=7040)


def test_published_ids_are_checked_if_the_vocabulary_is_the_published_one(values: Any) -> None:
    with pytest.raises(EngineError, match="<audio_start> is id 405, but 151688 in Step-Audio 2"):
        Tokenizer(json.dumps(values), vocab_size=158_720)


def test_a_tokenizer_of_a_larger_model_is_refused(values: Any) -> None:
    with pytest.raises(EngineError, match="ids beyond the model's 500"):
        Tokenizer(json.dumps(values), vocab_size=500)


@pytest.mark.parametrize("source", ["", "{}", "[]", '{"added_tokens": 3}', '{"added_tokens": []}'])
def test_a_damaged_tokenizer_is_an_error_that_says_so(source: str) -> None:
    with pytest.raises(EngineError, match="not a tokenizer"):
        Tokenizer(source, vocab_size=7040)


def test_the_older_files_give_the_same_tokenizer(tmp_path: Path, values: Any) -> None:
    pytest.importorskip("transformers")
    (tmp_path / "vocab.json").write_text(json.dumps(values["model"]["vocab"]), "utf-8")
    merges = [m if isinstance(m, str) else " ".join(m) for m in values["model"]["merges"]]
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", "utf-8")
    decoder = {
        str(entry["id"]): {k: v for k, v in entry.items() if k != "id"}
        for entry in values["added_tokens"]
    }
    config = {"tokenizer_class": "Qwen2Tokenizer", "added_tokens_decoder": decoder}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    old = Tokenizer.from_folder(tmp_path, vocab_size=7040)
    new = Tokenizer(json.dumps(values), vocab_size=7040)
    assert old.special == new.special
    text = "the weather in 北京"
    assert old.decode(old.encode(text)) == text


def test_a_folder_without_tokenizer_files_is_an_error_that_names_them(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"no tokenizer\.json and no vocab\.json"):
        Tokenizer.from_folder(tmp_path, vocab_size=7040)
