"""POST /v1/audio/speech: text read aloud."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Literal

from pydantic import Field

from assistant.server.audio.encode import Format, format_named
from assistant.server.http import sse
from assistant.server.http.errors import ApiError
from assistant.server.openai_types import Language, Lenient, VoiceName


class SpeechRequest(Lenient):
    """`speed` is accepted and has no effect: every voice speaks at its own."""

    model: str = ""
    input: str
    voice: VoiceName = None
    response_format: str | None = None
    instructions: str | None = None
    language: Language | None = None
    speed: float | None = Field(default=None, ge=0.25, le=4.0)
    stream_format: Literal["audio", "sse"] | None = None
    stream: bool | None = None

    @property
    def format(self) -> Format:
        """The default is WAV, which every reader recognizes by its first bytes."""
        return format_named(self.response_format or "wav", "response_format")

    @property
    def streams(self) -> bool:
        """True if the file is streamed; formats with the length in their header only if a stream is
        asked for.
        """
        return bool(self.stream or self.stream_format or not self.format.whole)

    def check(self) -> None:
        """Raises ApiError."""
        if not self.input.strip():
            raise ApiError("input: there is nothing to say", param="input")


async def audio_events(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The same as server-sent events; a failure is the last one."""
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                data = base64.b64encode(piece).decode("ascii")
                yield sse.data({"type": "speech.audio.delta", "audio": data})
    except ApiError as error:
        yield sse.data(error.body("/v1"))
        return
    usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    yield sse.data({"type": "speech.audio.done", "usage": usage})
