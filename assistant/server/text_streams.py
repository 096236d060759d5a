"""Text that comes word by word, and is spoken sentence by sentence while it comes."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from assistant.events import AudioChunk, Event, Failed
from assistant.server.answers import failure
from assistant.server.wire.errors import ApiError
from assistant.server.wire.sound import wav_header

IDLE_S = 60.0
MAX_STREAMS = 256
MAX_CHARS = 100_000
_SENTENCE = re.compile(r"[.!?;:。！？；：…]+[\"')\]”’」』]*\s*$")

Read = Callable[[str], AsyncGenerator[Event, None]]
"""Starts a turn that reads a sentence aloud."""


class TextStream:
    """One text. Its sound is listened to once."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.taken = False
        self._words: list[str] = []
        self._chars = 0
        self._send: MemoryObjectSendStream[str]
        self._sentences: MemoryObjectReceiveStream[str]
        self._send, self._sentences = anyio.create_memory_object_stream[str](math.inf)

    def add(self, text: str) -> None:
        """Raises ApiError: it was ended already, or is too long."""
        self._chars += len(text)
        if self._chars > MAX_CHARS:
            raise ApiError(f"text: more than {MAX_CHARS} characters", status=413)
        self._words.append(text.strip())
        if _SENTENCE.search(text):
            self._flush()

    def end(self) -> None:
        self._flush()
        self._send.close()

    def close(self) -> None:
        self._send.close()
        self._sentences.close()

    async def speak(self, read: Read) -> AsyncGenerator[bytes, None]:
        """Streamed WAV. Ends with the text, or when none came for a minute. Raises ApiError."""
        yield wav_header()
        while (sentence := await self._next()) is not None:
            async with aclosing(read(sentence)) as turn:
                async for event in turn:
                    if isinstance(event, Failed):
                        raise failure(event)
                    if isinstance(event, AudioChunk):
                        yield event.samples.astype("<i2", copy=False).tobytes()

    async def _next(self) -> str | None:
        with anyio.move_on_after(IDLE_S):
            try:
                return await self._sentences.receive()
            except anyio.EndOfStream:
                return None
        return None

    def _flush(self) -> None:
        sentence = " ".join(filter(None, self._words))
        self._words.clear()
        if sentence:
            try:
                self._send.send_nowait(sentence)
            except (anyio.ClosedResourceError, anyio.BrokenResourceError):
                raise ApiError("the text has been ended already") from None


class TextStreams:
    """All texts that are open; the oldest one is given up where there are too many."""

    def __init__(self) -> None:
        self._streams: dict[str, TextStream] = {}

    def start(self, owner: str) -> str:
        if len(self._streams) >= MAX_STREAMS:
            self.drop(next(iter(self._streams)))
        stream_id = uuid.uuid4().hex
        self._streams[stream_id] = TextStream(owner)
        return stream_id

    def get(self, stream_id: str, owner: str) -> TextStream:
        """Raises ApiError: there is none of that id, of that owner."""
        found = self._streams.get(stream_id)
        if found is None or found.owner != owner:
            raise ApiError("no such request", status=404)
        return found

    def drop(self, stream_id: str) -> None:
        stream = self._streams.pop(stream_id, None)
        if stream is not None:
            stream.close()
