"""Text that comes word by word, and is spoken sentence by sentence while it comes."""

from __future__ import annotations

import re
import uuid
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import anyio

from assistant.events import AudioChunk, Event, Failed
from assistant.server.audio.encode import wav_header
from assistant.server.http.errors import ApiError
from assistant.server.turns import failure

IDLE_S = 60.0
MAX_STREAMS = 256
MAX_CHARS = 100_000
_SENTENCE = re.compile(r"[.!?;:。！？；：…]+[\"')\]”’」』]*\s*$")

Read = Callable[[str], AsyncGenerator[Event, None]]
"""Starts a turn that reads a sentence aloud."""


class TextStream:
    """One text, which arrives in pieces. Its audio can be opened once."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self._taken = False
        self._words: list[str] = []
        self._chars = 0
        self._sentences: deque[str] = deque()
        self._ended = False
        self._changed = anyio.Event()

    def add(self, text: str) -> None:
        """Raises ApiError: it was ended already, or is too long."""
        if self._ended:
            raise ApiError("the text has been ended already")
        self._chars += len(text)
        if self._chars > MAX_CHARS:
            raise ApiError(f"text: more than {MAX_CHARS} characters", status=413)
        self._words.append(text.strip())
        if _SENTENCE.search(text):
            self._flush()

    def end(self) -> None:
        self._flush()
        self._ended = True
        self._changed.set()

    def take(self) -> None:
        """Reserves the audio. Raises ApiError if it is open already."""
        if self._taken:
            raise ApiError("the sound of this text is listened to already", status=409)
        self._taken = True

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
            while not (self._sentences or self._ended):
                self._changed = anyio.Event()
                await self._changed.wait()
        return self._sentences.popleft() if self._sentences else None

    def _flush(self) -> None:
        sentence = " ".join(filter(None, self._words))
        self._words.clear()
        if sentence:
            self._sentences.append(sentence)
            self._changed.set()


class TextStreams:
    """The texts that are open; if there are too many, the oldest one is dropped."""

    def __init__(self) -> None:
        self._streams: dict[str, TextStream] = {}

    def start(self, owner: str) -> str:
        if len(self._streams) >= MAX_STREAMS:
            self.drop(next(iter(self._streams)))
        stream_id = uuid.uuid4().hex
        self._streams[stream_id] = TextStream(owner)
        return stream_id

    def get(self, stream_id: str, owner: str) -> TextStream:
        """Returns the text. Raises ApiError if this owner has none with that id."""
        found = self._streams.get(stream_id)
        if found is None or found.owner != owner:
            raise ApiError("no such request", status=404)
        return found

    def drop(self, stream_id: str) -> None:
        stream = self._streams.pop(stream_id, None)
        if stream is not None:
            stream.end()
