"""Whatever a client sends, in whatever order: each event that comes back fits OpenAI's types, the
socket is kept, and nothing is left behind.
"""

from __future__ import annotations

import base64
import logging
import random
from typing import Any

import pytest

from assistant.testing import ScriptedEngine
from tests.server.realtime.realtime_client import Caller, calling, speech
from tests.support.serving import Serve
from tests.support.tool_calls import call

TOOL = {"type": "function", "name": "light", "description": "Switches it."}
IDS = ["a", "b", "c", "root", "nine", None]


class Monkey:
    """Sends events as they come to its mind; knows ids that were shown to it."""

    def __init__(self, caller: Caller, seed: int) -> None:
        self._caller = caller
        self._random = random.Random(seed)
        self._audio = speech()
        self._at = 0

    def some_id(self) -> Any:
        shown = [e["item"]["id"] for e in self._caller.all("conversation.item.added")]
        return self._random.choice([*IDS, *shown[-6:]])

    def call_id(self) -> Any:
        calls = [e["call_id"] for e in self._caller.all("response.function_call_arguments.done")]
        return self._random.choice(["x", *calls])

    def act(self) -> None:
        pick = self._random.choice
        act = pick(
            [
                self.push_audio,
                self.push_audio,
                self.push_audio,
                self.item,
                self.respond,
                self.edit,
                self.set,
            ]
        )
        act()

    def push_audio(self) -> None:
        size = self._random.randrange(1, 60_000)
        piece = self._audio[self._at : self._at + size]
        self._at = (self._at + size) % len(self._audio)
        if self._at % 2:
            self._at -= 1
        self._caller.send("input_audio_buffer.append", audio=base64.b64encode(piece).decode())
        if self._random.random() < 0.2:
            kinds = ["commit", "clear"]
            self._caller.send(f"input_audio_buffer.{self._random.choice(kinds)}")

    def item(self) -> None:
        text = {"type": self._random.choice(["input_text", "output_text"]), "text": "Hm?"}
        role = self._random.choice(["user", "assistant", "system"])
        item = self._random.choice(
            [
                {"type": "message", "role": role, "content": [text]},
                {"type": "message", "role": role, "content": []},
                {"type": "function_call", "name": "light", "arguments": "{}", "call_id": "x"},
                {"type": "function_call_output", "call_id": self.call_id(), "output": "on"},
            ]
        )
        given = self._random.choice([{}, {"id": "a"}, {"id": "b"}, {"id": "c"}])
        self._caller.send(
            "conversation.item.create", item={**item, **given}, previous_item_id=self.some_id()
        )

    def respond(self) -> None:
        values = self._random.choice(
            [
                {},
                {"conversation": "none"},
                {"output_modalities": ["text"], "metadata": {"a": "b"}},
                {"input": [{"type": "item_reference", "id": str(self.some_id())}]},
                {"tool_choice": "none", "instructions": "Be brief."},
            ]
        )
        if self._random.random() < 0.3:
            self._caller.send("response.cancel")
        else:
            self._caller.send("response.create", response=values)

    def edit(self) -> None:
        kind = self._random.choice(["delete", "retrieve", "truncate"])
        self._caller.send(
            f"conversation.item.{kind}",
            item_id=str(self.some_id()),
            content_index=0,
            audio_end_ms=self._random.randrange(-10, 3_000),
        )

    def set(self) -> None:
        audio_input = self._random.choice(
            [
                {"turn_detection": None},
                {"turn_detection": {"type": "server_vad", "silence_duration_ms": 200}},
                {"turn_detection": {"type": "semantic_vad", "create_response": False}},
                {"format": {"type": "audio/pcmu"}},
                {"format": {"type": "audio/pcm", "rate": 24_000}},
                {"transcription": {"model": "m"}},
            ]
        )
        values = self._random.choice([{"tools": [TOOL]}, {"tools": []}, {"tool_choice": "auto"}])
        session = {"type": "realtime", "audio": {"input": audio_input}, **values}
        self._caller.send("session.update", session=session)


def engine() -> ScriptedEngine:
    answers = [["Yes, of course. "], ["One moment. ", call("light")], [RuntimeError("no")]]
    turns = iter(range(10**6))
    return ScriptedEngine(lambda request: answers[next(turns) % 3] if request.tools else ["Hm."])


@pytest.mark.parametrize("seed", range(6))
def test_random_client_events_never_break_a_session(
    serve: Serve, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(engine())
    with calling(server, "extensions=assistant" if seed % 2 else "model=m") as caller:
        monkey = Monkey(caller, seed)
        for _ in range(12):
            for _ in range(10):
                monkey.act()
            caller.until_quiet()
        caller.send("response.cancel")
        caller.until_quiet()
    unexpected = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert not [r for r in unexpected if "request failed" in r.getMessage()]
    for response_id in {e["response"]["id"] for e in caller.all("response.created")}:
        ends = [e for e in caller.all("response.done") if e["response"]["id"] == response_id]
        assert len(ends) == 1, "each response ends once"
    with calling(server) as other:
        while server.metric("assistant_sockets_open") > 1:
            other.update()
        assert server.metric("assistant_conversations_open") == 1
        assert server.metric("assistant_turns_running") == 0
