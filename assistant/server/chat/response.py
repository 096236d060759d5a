"""Chat completions as OpenAI's clients and vLLM-Omni's read them, whole and in pieces."""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from assistant.events import AudioChunk, Event, TextDelta, TurnEnded, Usage, to_json
from assistant.messages import ToolCall
from assistant.server.audio.encode import Encoder, Format, encode
from assistant.server.special_tokens import SpecialTokenFilter, without_special_tokens
from assistant.server.turns import STEPS, TurnResult

Json = dict[str, Any]


def _chat_id() -> str:
    return f"chatcmpl-{uuid.uuid4().hex}"


@dataclass
class Envelope:
    """The fields around every completion, and around every chunk."""

    model: str
    id: str = field(default_factory=_chat_id)
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def audio_id(self) -> str:
        return f"audio_{self.id.removeprefix('chatcmpl-')}"

    def whole(self, message: Json, ended: TurnEnded, steps: list[Json]) -> Json:
        choice = {
            "index": 0,
            "message": {"role": "assistant", **message},
            "finish_reason": finish_reason(ended),
            "logprobs": None,
        }
        value = self._around("chat.completion", [choice])
        value["usage"] = usage_json(ended.usage)
        return {**value, "assistant_events": steps} if steps else value

    def chunk(self, delta: Json, finish: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return self._around("chat.completion.chunk", [choice])

    def usage_chunk(self, usage: Usage) -> Json:
        return {**self._around("chat.completion.chunk", []), "usage": usage_json(usage)}

    def _around(self, kind: str, choices: list[Json]) -> Json:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }


def usage_json(usage: Usage) -> Json:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def finish_reason(ended: TurnEnded) -> str:
    if ended.calls:
        return "tool_calls"
    return "length" if ended.cut_off else "stop"


def call_json(call: ToolCall) -> Json:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def whole_message(
    result: TurnResult, audio_format: Format | None, audio_id: str, expires_at: int
) -> Json:
    """Returns text and audio in one message, because some clients read the first choice only.

    `form` is None if no speech was asked for. CPU-bound: encodes the audio.
    """
    text = without_special_tokens(result.ended.text)
    calls = [call_json(call) for call in result.ended.calls]
    message: Json = {"content": text or (None if calls else ""), "refusal": None}
    if calls:
        message["tool_calls"] = calls
    if audio_format is not None and result.chunks:
        message["audio"] = {
            "id": audio_id,
            "data": base64.b64encode(encode(audio_format, result.chunks)).decode("ascii"),
            "expires_at": expires_at,
            "transcript": text,
        }
    return message


class ChunkWriter:
    """Writes one completion in chunks: the text, the audio, the calls of the client's tools.

    A call is sent complete, in one delta: some clients replace arguments instead of joining them.
    """

    def __init__(
        self, envelope: Envelope, audio_format: Format | None, *, as_transcript: bool
    ) -> None:
        """`as_transcript`: the text is sent as the audio's transcript, as by OpenAI, not as
        content.
        """
        self._envelope = envelope
        self._as_transcript = as_transcript
        self._encoder = Encoder(audio_format) if audio_format else None
        self._filter = SpecialTokenFilter()
        self._audio_begun = False

    def start(self) -> Json:
        return self._envelope.chunk({"role": "assistant", "content": ""})

    def write(self, event: Event) -> Iterator[Json]:
        match event:
            case TextDelta():
                yield from self._text(self._filter.feed(event.text))
            case AudioChunk() if self._encoder:
                yield from self._audio(self._started() + self._encoder.feed(event.samples))
            case _ if isinstance(event, STEPS):
                value = to_json(event)
                yield {**self._envelope.chunk({"content": ""}), "assistant_event": value}

    def end(self, ended: TurnEnded, expires_at: int) -> Iterator[Json]:
        """Yields the rest of text and audio, the calls, and the finish reason."""
        yield from self._text(self._filter.finish())
        if self._encoder and self._audio_begun:
            yield from self._audio(self._encoder.finish())
            yield self._envelope.chunk({"audio": self._audio_json(expires_at=expires_at)})
        if ended.calls:
            calls = [{"index": at, **call_json(call)} for at, call in enumerate(ended.calls)]
            yield self._envelope.chunk({"content": None, "tool_calls": calls})
        yield self._envelope.chunk({"content": None}, finish_reason(ended))

    def _started(self) -> bytes:
        begun, self._audio_begun = self._audio_begun, True
        return b"" if begun or self._encoder is None else self._encoder.start()

    def _text(self, text: str) -> Iterator[Json]:
        if text and self._as_transcript:
            yield self._envelope.chunk({"audio": self._audio_json(transcript=text)})
        elif text:
            yield self._envelope.chunk({"content": text})

    def _audio(self, data: bytes) -> Iterator[Json]:
        if data:
            encoded = base64.b64encode(data).decode("ascii")
            yield self._envelope.chunk({"audio": self._audio_json(data=encoded)})

    def _audio_json(self, **fields: Any) -> Json:
        return {"id": self._envelope.audio_id, **fields}
