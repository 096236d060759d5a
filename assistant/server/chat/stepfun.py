"""Chat completions for StepFun's vLLM client.

Speech is `tts_content`: text, and the speech tokens that the client decodes to audio by itself. The
client cuts six characters from each line of a stream and parses the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from assistant.events import AudioChunk, Event, TextDelta, TurnEnded
from assistant.server.chat.response import Envelope, Json, call_json, finish_reason
from assistant.server.special_tokens import SpecialTokenFilter, without_special_tokens
from assistant.server.turns import TurnResult


def whole_message(result: TurnResult, *, speaks: bool) -> Json:
    """A call comes with `tts_content` always, for the client looks into it unasked."""
    text = without_special_tokens(result.ended.text)
    calls = [call_json(call) for call in result.ended.calls]
    in_speech = speaks or bool(calls)
    message: Json = {"content": None if in_speech else text}
    if in_speech:
        message["tts_content"] = tts_content(text, result.codes)
    if calls:
        message["tool_calls"] = calls
    return message


def tts_content(text: str = "", codes: Sequence[int] = ()) -> Json:
    return {"tts_text": text, "tts_audio": "".join(f"<audio_{code}>" for code in codes)}


class ChunkWriter:
    """Writes one completion in chunks. `content` is in each; `tts_content` and `tool_calls` are
    never null.
    """

    def __init__(self, envelope: Envelope, *, speaks: bool) -> None:
        self._envelope = envelope
        self._speaks = speaks
        self._filter = SpecialTokenFilter()

    def start(self) -> Json:
        return self._envelope.chunk({"role": "assistant", "content": ""})

    def write(self, event: Event) -> Iterator[Json]:
        match event:
            case TextDelta():
                yield from self._text(self._filter.feed(event.text))
            case AudioChunk() if self._speaks and event.codes:
                yield self._delta(tts_content=tts_content(codes=event.codes))

    def end(self, ended: TurnEnded, expires_at: int) -> Iterator[Json]:
        yield from self._text(self._filter.finish())
        if ended.calls:
            calls = [{"index": at, **call_json(call)} for at, call in enumerate(ended.calls)]
            yield self._delta(tool_calls=calls, tts_content=tts_content())
        yield self._envelope.chunk({"content": ""}, finish_reason(ended))

    def _text(self, text: str) -> Iterator[Json]:
        if text and self._speaks:
            yield self._delta(tts_content=tts_content(text))
        elif text:
            yield self._envelope.chunk({"content": text})

    def _delta(self, **fields: object) -> Json:
        return self._envelope.chunk({"content": "", **fields})
