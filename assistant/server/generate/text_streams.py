"""Text that comes word by word, and is spoken sentence by sentence while it comes."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import anyio

from assistant.events import AudioChunk, Event, Failed
from assistant.server.audio.encode import wav_header
from assistant.server.fair_store import FairStore
from assistant.server.http.errors import ApiError
from assistant.server.turns import failure

IDLE_S = 60.0
MAX_STREAMS = 256
TTL_S = 3_600.0
"""How long a text may take from its first word to its last, in seconds."""
MAX_CHARS = 100_000
_END_MARKS = ".!?;:。！？；：…"
_CLOSING_MARKS = "\"')]”’」』"

Read = Callable[[str], AsyncGenerator[Event, None]]
"""Starts a turn that reads a sentence aloud."""


class TextStream:
    """One text, which arrives in pieces. Its audio can be opened once."""

    def __init__(self) -> None:
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
        if _ends_a_sentence(text):
            self._flush()

    def end(self) -> None:
        """Ends the text: what came after the last sentence is spoken too."""
        self._flush()
        self._ended = True
        self._changed.set()

    def take(self) -> None:
        """Reserves the audio. Raises ApiError if it is open already."""
        if self._taken:
            raise ApiError("the audio of this text is open already", status=409)
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
    """The texts that are open, at most MAX_STREAMS.

    When there are too many, the oldest one of the key with the most is dropped; each is dropped
    TTL_S seconds after it was opened.
    """

    def __init__(self) -> None:
        self._streams: FairStore[TextStream] = FairStore(
            max_items=MAX_STREAMS, ttl_s=TTL_S, on_drop=TextStream.end
        )

    def start(self, owner: str) -> str:
        """Opens a text for the owner of a key, and returns its id."""
        stream_id = uuid.uuid4().hex
        self._streams.add(owner, stream_id, TextStream())
        return stream_id

    def get(self, stream_id: str, owner: str) -> TextStream:
        """Returns the text. Raises ApiError if this owner has none with that id."""
        found = self._streams.get(owner, stream_id)
        if found is None:
            raise ApiError("no such request", status=404)
        return found

    def drop(self, stream_id: str, owner: str) -> None:
        """Ends the text and forgets it."""
        stream = self._streams.pop(owner, stream_id)
        if stream is not None:
            stream.end()


def _ends_a_sentence(text: str) -> bool:
    """Returns whether the text ends with a full stop or the like, and perhaps a quotation mark."""
    return text.rstrip().rstrip(_CLOSING_MARKS).endswith(tuple(_END_MARKS))
