"""The checkpoint's tokenizer, and the ids that mean something to the program.

Text is encoded by a tokenizer that knows no added tokens at all, so whatever stands in it, no
special id can come out. Special ids are put in by name, from `SpecialTokens`, and only there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as FastTokenizer

from assistant.errors import EngineError

SPEECH_TOKENS = 6561
"""Speech tokens are `<audio_0>` to `<audio_6560>`; `<audio_6561>` fills where speech has ended."""

_PUBLISHED_VOCABULARY = 158_720
_PUBLISHED = {
    "<audio_start>": 151_688,
    "<audio_end>": 151_689,
    "<audio_patch>": 151_690,
    "<tts_start>": 151_693,
    "<tts_end>": 151_694,
    "<audio_0>": 151_696,
}
_ENDS = ("<|EOT|>", "<|endoftext|>", "<|im_end|>", "<|BOT|>")
"""Generation stops at any of them: past each one another turn, or nothing, would follow."""


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """Ids as the tokenizer has them."""

    bot: int
    eot: int
    audio_start: int
    audio_end: int
    audio_patch: int
    tts_start: int
    tts_end: int
    tts_pad: int
    speech: int
    """`<audio_0>`; speech token k is `speech + k`."""
    ends: frozenset[int]

    def speech_token(self, token: int) -> int | None:
        """The number of a speech token, 0 to 6560; None for any other id."""
        number = token - self.speech
        return number if 0 <= number < SPEECH_TOKENS else None

    def is_speech_or_padding(self, token: int) -> bool:
        return self.speech <= token <= self.speech + SPEECH_TOKENS


@dataclass(frozen=True, slots=True)
class Mark:
    """A token by its name. One that the tokenizer doesn't have is written as text."""

    name: str


class Tokenizer:
    """Text to ids and back, byte-level BPE."""

    def __init__(self, source: str, *, vocab_size: int, where: str = "tokenizer.json") -> None:
        """`source`: the text of a tokenizer.json. Raises EngineError when it doesn't fit."""
        try:
            values: dict[str, Any] = json.loads(source)
            added = {entry["content"]: int(entry["id"]) for entry in values["added_tokens"]}
            self._plain = FastTokenizer.from_str(json.dumps({**values, "added_tokens": []}))
        except Exception as error:  # the library raises bare Exception
            hint = "download the file again"
            raise EngineError(f"{where}: not a tokenizer: {error}", hint=hint) from error
        self._plain.encode_special_tokens = True
        self._ids = added
        self.special = _special_tokens(added, where)
        if vocab_size == _PUBLISHED_VOCABULARY:
            _check_published(added, where)
        vocabulary = self._plain.get_vocab(with_added_tokens=False)
        if max(*added.values(), *vocabulary.values()) >= vocab_size:
            message = f"{where}: has ids beyond the model's {vocab_size}"
            raise EngineError(message, hint="it belongs to another model")
        self._bytes = _bytes_of_tokens(vocabulary, added)

    @classmethod
    def from_folder(cls, folder: Path, *, vocab_size: int) -> Tokenizer:
        """Reads tokenizer.json, or vocab.json and merges.txt if there is none."""
        path = folder / "tokenizer.json"
        try:
            source = path.read_text("utf-8") if path.is_file() else _converted(folder)
        except (OSError, ValueError) as error:
            hint = "download the checkpoint's tokenizer files again"
            raise EngineError(
                f"{folder}: the tokenizer can't be read: {error}", hint=hint
            ) from error
        return cls(source, vocab_size=vocab_size, where=str(path))

    def id_of(self, mark: Mark) -> int | None:
        return self._ids.get(mark.name)

    def encode(self, *parts: str | Mark) -> list[int]:
        """Text and marks, in order. Text next to text is encoded as one."""
        ids: list[int] = []
        text = ""
        for part in parts:
            known = self.id_of(part) if isinstance(part, Mark) else None
            if known is None:
                text += part.name if isinstance(part, Mark) else part
                continue
            ids += [*self._encode_text(text), known]
            text = ""
        return ids + self._encode_text(text)

    def _encode_text(self, text: str) -> list[int]:
        # A lone surrogate has no UTF-8 form; the library would raise.
        clean = text.encode("utf-8", "replace").decode("utf-8")
        return list(self._plain.encode(clean, add_special_tokens=False).ids) if clean else []

    def token_bytes(self, token: int) -> bytes:
        """Returns the bytes that a token adds to the text; empty for an id without a token."""
        return self._bytes.get(token, b"")

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of all tokens, special ones by their names."""
        return b"".join(map(self.token_bytes, tokens)).decode("utf-8", "replace")


def _converted(folder: Path) -> str:
    """The older layout (vocab.json, merges.txt, added_tokens.json), by transformers."""
    for name in ("vocab.json", "merges.txt"):
        if not (folder / name).is_file():
            hint = "give the folder of a complete checkpoint, or download the file"
            raise EngineError(f"{folder}: no tokenizer.json and no {name}", hint=hint)
    from transformers import Qwen2TokenizerFast  # type: ignore[attr-defined]

    loaded: Any = Qwen2TokenizerFast.from_pretrained(folder, local_files_only=True)
    return str(loaded.backend_tokenizer.to_str())


def _special_tokens(ids: dict[str, int], where: str) -> SpecialTokens:
    hint = "use the tokenizer that comes with the Step-Audio 2 checkpoint"

    def named(name: str) -> int:
        if name not in ids:
            raise EngineError(f"{where}: has no token {name}", hint=hint)
        return ids[name]

    first = named("<audio_0>")
    for number in range(SPEECH_TOKENS + 1):  # the last one is the filler
        if named(f"<audio_{number}>") != first + number:
            raise EngineError(f"{where}: <audio_{number}> is not id {first + number}", hint=hint)
    return SpecialTokens(
        bot=named("<|BOT|>"),
        eot=named("<|EOT|>"),
        audio_start=named("<audio_start>"),
        audio_end=named("<audio_end>"),
        audio_patch=named("<audio_patch>"),
        tts_start=named("<tts_start>"),
        tts_end=named("<tts_end>"),
        tts_pad=named("<tts_pad>"),
        speech=first,
        ends=frozenset(ids[name] for name in _ENDS if name in ids),
    )


def _check_published(ids: dict[str, int], where: str) -> None:
    for name, published in _PUBLISHED.items():
        if ids[name] != published:
            message = f"{where}: {name} is id {ids[name]}, but {published} in Step-Audio 2"
            raise EngineError(message, hint="use the tokenizer that comes with the checkpoint")


def _bytes_of_tokens(vocabulary: dict[str, int], added: dict[str, int]) -> dict[int, bytes]:
    alphabet = _byte_alphabet()
    tokens = {id_: bytes(alphabet[char] for char in text) for text, id_ in vocabulary.items()}
    return tokens | {id_: text.encode("utf-8") for text, id_ in added.items()}


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's letters for bytes: printable ones stand for themselves, the rest from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = {chr(byte): byte for byte in printable}
    return letters | {chr(0x100 + index): byte for index, byte in enumerate(others)}
