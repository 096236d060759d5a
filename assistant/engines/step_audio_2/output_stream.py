"""Turns the tokens of a generation into the engine's outputs: text, calls and audio."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from queue import Empty
from typing import Protocol

from assistant.audio.samples import Pcm16
from assistant.audio.voice import Voice
from assistant.engines.base import EngineOutput, Speech
from assistant.engines.step_audio_2.parser import OutputParser, Piece, SpeechToken
from assistant.engines.step_audio_2.sequence import End, Generation
from assistant.errors import EngineError
from assistant.events import TextDelta
from assistant.messages import ToolCall


class SpeechStream(Protocol):
    """The audio of one response. Used from one thread at a time."""

    def push(self, tokens: Sequence[int]) -> list[Pcm16]:
        """Takes speech tokens (0 to 6560, 25 per second) and returns the audio that is ready.

        Audio is 24 kHz int16, shape (n,); the pieces of all calls, joined, are the whole.
        """
        ...

    def flush(self) -> list[Pcm16]:
        """Ends the speech tokens and returns the rest of the audio."""
        ...

    def close(self) -> None:
        """Frees what the stream holds; may be called at any time, and again."""
        ...


class Vocoder(Protocol):
    """Shared by all conversations."""

    def open(self, voice: Voice) -> SpeechStream:
        """Opens a stream in a voice. Raises AudioError or EngineError if the voice can't
        be used.
        """
        ...

    def close(self) -> None: ...


def token_batches(generation: Generation) -> Iterator[list[int]]:
    """All tokens that are there, then wait for more. Raises the generation's EngineError."""
    while not generation.is_over:
        items: list[int | End | EngineError] = [generation.out.get()]
        try:
            while True:
                items.append(generation.out.get_nowait())
        except Empty:
            pass
        for item in items:
            if isinstance(item, EngineError):
                raise item
            if isinstance(item, End):
                generation.is_over = True
        if batch := [item for item in items if isinstance(item, int)]:
            yield batch


def text_of(generation: Generation, parser: OutputParser) -> str:
    """Waits for the end; the text alone."""
    pieces = [
        piece
        for batch in token_batches(generation)
        for token in batch
        for piece in parser.feed(token)
    ]
    texts = [piece.text for piece in (*pieces, *parser.finish()) if isinstance(piece, TextDelta)]
    return "".join(texts).strip()


def outputs(
    generation: Generation, parser: OutputParser, stream: SpeechStream | None
) -> Generator[EngineOutput, None, bool]:
    """Blocks while the model works; returns whether tools were called."""
    called = False
    speech = SpeechAssembler(stream)
    for batch in token_batches(generation):
        pieces = [piece for token in batch for piece in parser.feed(token)]
        called |= any(isinstance(piece, ToolCall) for piece in pieces)
        yield from _outputs(pieces, speech)
        if parser.stopped:
            generation.halt()
    rest = parser.finish()
    called |= any(isinstance(piece, ToolCall) for piece in rest)
    yield from _outputs(rest, speech)
    yield from speech.flush()
    return called


class SpeechAssembler:
    """Decodes speech tokens to audio, and labels each piece with the tokens since the last one."""

    def __init__(self, stream: SpeechStream | None) -> None:
        self._stream = stream
        self._codes: list[int] = []

    def push(self, numbers: list[int]) -> Iterator[Speech]:
        if self._stream is not None and numbers:
            self._codes += numbers
            yield from map(self._speech, self._stream.push(numbers))

    def flush(self) -> Iterator[Speech]:
        if self._stream is not None:
            yield from map(self._speech, self._stream.flush())

    def _speech(self, samples: Pcm16) -> Speech:
        codes, self._codes = tuple(self._codes), []
        return Speech(samples, codes)


def _outputs(pieces: Iterable[Piece], speech: SpeechAssembler) -> Iterator[EngineOutput]:
    """Yields text first: it is ready, while decoding audio takes time."""
    text = ""
    numbers: list[int] = []
    calls: list[ToolCall] = []
    for piece in pieces:
        if isinstance(piece, TextDelta):
            text += piece.text
        elif isinstance(piece, SpeechToken):
            numbers.append(piece.number)
        else:
            calls.append(piece)
    if text:
        yield TextDelta(text)
    yield from speech.push(numbers)
    yield from calls
