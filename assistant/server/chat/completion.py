"""One chat completion: a fresh session with the client's history, and one turn.

messages --> ClientHistory --> Session.respond() --> events --> ChunkWriter, or whole_message
                  ^                                    |
                  +----- TurnCache, by call id <-------+   what the client does not send back
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from functools import partial

import anyio
from starlette.requests import Request

from assistant.config import Settings
from assistant.events import Event, Failed, TurnEnded
from assistant.messages import Message
from assistant.server import turns
from assistant.server.audio.encode import Format, format_named
from assistant.server.auth.access import access_of
from assistant.server.chat import response, stepfun
from assistant.server.chat.history import read_history
from assistant.server.chat.request import ChatRequest, sampling_of
from assistant.server.chat.response import Envelope, Json
from assistant.server.chat.turn_cache import TurnCache
from assistant.server.http import sse
from assistant.server.http.errors import ApiError
from assistant.server.state import get_state
from assistant.server.turns import open_session
from assistant.session import Session

ChunkWriter = response.ChunkWriter | stepfun.ChunkWriter


Store = Callable[[str, Sequence[Message]], int]
"""Stores a turn under an id; returns when it expires, in seconds since the epoch."""


class Chat:
    """A request that was read and found right."""

    def __init__(
        self, body: ChatRequest, session: Session, envelope: Envelope, store: Store
    ) -> None:
        self._body = body
        self._session = session
        self._envelope = envelope
        self._store = store
        self._before = len(session.history)
        self._audio_format = self._format()

    @classmethod
    async def read(cls, request: Request, body: ChatRequest) -> Chat:
        """Raises ApiError and AudioError."""
        assistant = get_state(request).assistant
        cache: TurnCache = get_state(request).get(TurnCache)
        owner = access_of(request).owner
        body.check({schema.name for schema in assistant.dispatcher.schemas()})
        history = await read_history(request, body, partial(cache.find, owner))
        session = open_session(
            request,
            voice=body.audio.voice if body.audio else None,
            system_prompt=history.system_prompt,
            speak=body.speaks,
            client_tools=[tool.schema_of() for tool in body.tools or ()],
            history=history.messages,
        )
        envelope = Envelope(body.model or assistant.engine.name)
        return cls(body, session, envelope, partial(cache.store, owner))

    def turn(self, settings: Settings) -> AsyncGenerator[Event, None]:
        sampling = sampling_of(self._body, settings.sampling)
        return self._session.respond(sampling=sampling, tool_choice=self._body.choice)

    async def whole(self, turn: AsyncGenerator[Event, None]) -> Json:
        """Returns the completion when the turn is over. Raises ApiError."""
        async with aclosing(turn):
            answer = await turns.collect(turn)
        expires_at = self._remember(answer.ended)
        if self._body.is_stepfun:
            message = stepfun.whole_message(answer, speaks=self._body.speaks)
        else:
            audio_id = self._envelope.audio_id
            work = partial(response.whole_message, answer, self._audio_format, audio_id, expires_at)
            # Encoding takes a while; without audio a thread would only cost.
            message = await anyio.to_thread.run_sync(work) if answer.chunks else work()
        return self._envelope.whole(message, answer.ended, answer.steps)

    async def pieces(self, turn: AsyncGenerator[Event, None]) -> AsyncGenerator[bytes, None]:
        """Yields the completion as it is generated; a failure is the last piece."""
        writer = self._writer()
        yield sse.data(writer.start())
        try:
            async with aclosing(turn):
                async for event in turn:
                    for chunk in self._chunks(event, writer):
                        yield sse.data(chunk)
        except ApiError as error:
            yield sse.data(error.body("/v1"))
        else:
            yield sse.DONE

    def _chunks(self, event: Event, writer: ChunkWriter) -> Iterator[Json]:
        if isinstance(event, Failed):
            raise turns.failure(event)
        if not isinstance(event, TurnEnded):
            yield from writer.write(event)
            return
        turns.check_ended(event)
        yield from writer.end(event, self._remember(event))
        if self._wants_usage():
            yield self._envelope.usage_chunk(event.usage)

    def _writer(self) -> ChunkWriter:
        if self._body.is_stepfun:
            return stepfun.ChunkWriter(self._envelope, speaks=self._body.speaks)
        as_transcript = self._body.asks_by_modality
        return response.ChunkWriter(self._envelope, self._audio_format, as_transcript=as_transcript)

    def _wants_usage(self) -> bool:
        options = self._body.stream_options
        return bool(options and options.include_usage)

    def _format(self) -> Format | None:
        """Returns the format of the audio: in a stream raw samples, unless the client names another
        one.
        """
        if not self._body.speaks:
            return None
        named = self._body.audio.format if self._body.audio else None
        return format_named(named or ("pcm16" if self._body.stream else "wav"), "audio.format")

    def _remember(self, ended: TurnEnded) -> int:
        """Stores the turn for the client's next message, and returns the time at
        which it expires.
        """
        made = self._session.history[self._before :]
        for call in ended.calls:
            self._store(call.id, made)
        return self._store(self._envelope.audio_id, made) if self._audio_format else 0
