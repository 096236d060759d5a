"""What comes out of a generation, as text, calls and sound."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from queue import Empty

from assistant.engines.base import EngineOutput, Speech
from assistant.engines.step_audio_2.generation import End, Generation
from assistant.engines.step_audio_2.parser import OutputParser, Piece, SpeechToken
from assistant.engines.step_audio_2.vocoder import SpeechStream
from assistant.errors import EngineError
from assistant.events import TextDelta
from assistant.messages import ToolCall


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
    for batch in token_batches(generation):
        pieces = [piece for token in batch for piece in parser.feed(token)]
        called |= any(isinstance(piece, ToolCall) for piece in pieces)
        yield from _outputs(pieces, stream)
        if parser.stopped:
            generation.halt()
    rest = parser.finish()
    called |= any(isinstance(piece, ToolCall) for piece in rest)
    yield from _outputs(rest, stream)
    for samples in stream.flush() if stream else ():
        yield Speech(samples)
    return called


def _outputs(pieces: Iterable[Piece], stream: SpeechStream | None) -> Iterator[EngineOutput]:
    """Text first: it is ready, and making sound takes time."""
    text, numbers, calls = "", [], []
    for piece in pieces:
        if isinstance(piece, TextDelta):
            text += piece.text
        elif isinstance(piece, SpeechToken):
            numbers.append(piece.number)
        else:
            calls.append(piece)
    if text:
        yield TextDelta(text)
    for samples in stream.push(numbers) if stream and numbers else ():
        yield Speech(samples)
    yield from calls
