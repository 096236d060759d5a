"""Does what client events ask for; what can't be done is an ApiError."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import anyio.lowlevel
from prometheus_client import Counter

from assistant.audio.samples import Audio
from assistant.history import History
from assistant.live.conversation import LiveConversation
from assistant.server.http.errors import ApiError
from assistant.server.realtime import client_events as client
from assistant.server.realtime import server_events as wire
from assistant.server.realtime.active_responses import ActiveResponses
from assistant.server.realtime.audio import DELTA_S, AudioDecoder
from assistant.server.realtime.client_items import item_from_client
from assistant.server.realtime.item_schema import ClientItem, FunctionOutputItem, ItemReference
from assistant.server.realtime.items import Item
from assistant.server.realtime.live_control import LiveControl
from assistant.server.realtime.out_of_band import OutOfBandResponses
from assistant.server.realtime.response_options import ResponseOptions
from assistant.server.realtime.session import RealtimeSession


class Commands:
    """The client events of one connection.

    `audio_in` counts the seconds of audio that are received.
    """

    def __init__(
        self,
        session: RealtimeSession,
        live: LiveConversation,
        responses: ActiveResponses,
        control: LiveControl,
        out_of_band: OutOfBandResponses,
        emit: Callable[[dict[str, Any]], None],
        *,
        max_audio_s: float,
        audio_in: Counter,
        is_full: Callable[[], bool],
    ) -> None:
        self._session = session
        self._items = session.items
        self._live = live
        self._responses = responses
        self._control = control
        self._out_of_band = out_of_band
        self._emit = emit
        self._max_audio_s = max_audio_s
        self._audio_in = audio_in
        self._is_full = is_full
        self._decoder = AudioDecoder(session.config.audio.input.format)
        self._buffered_s = 0.0  # audio that waits for a commit

    async def handle(self, event: client.ClientEvent) -> None:
        """Does what the event asks for. Raises AssistantError if that can't be done."""
        match event:
            case client.AudioAppend():
                await self._append(event.audio)
            case client.SessionUpdate():
                self._update(event)
            case client.AudioCommit():
                self._commit()
            case client.AudioClear():
                self._buffered_s = 0.0
                self._live.clear()
                self._emit(wire.cleared())
            case client.ResponseCreate():
                self._respond(event.response or client.ResponseConfig())
            case client.ResponseCancel():
                self._cancel(event.response_id)
            case client.PlaybackPosition():
                live_id = self._responses.live_id_of(event.response_id)
                self._live.played(live_id, event.played_ms / 1000)
            case _:
                self._edit(event)

    def _edit(self, event: client.ClientEvent) -> None:
        match event:
            case client.ItemCreate():
                self._create(event)
            case client.ItemDelete():
                self._delete(self._items.get(event.item_id, "delete"))
            case client.ItemRetrieve():
                item = self._items.get(event.item_id, "retrieve")
                self._emit(wire.item_retrieved(item.content))
            case client.ItemTruncate():
                self._truncate(event)

    # The input audio buffer.

    async def _append(self, text: str) -> None:
        samples = self._decoder.decode(text)
        seconds = len(samples) / self._decoder.rate
        self._check_room(seconds)
        self._audio_in.inc(seconds)
        step = int(DELTA_S * self._decoder.rate)
        for at in range(0, len(samples), step):  # a minute in one step would block the event loop
            self._live.push_audio(samples[at : at + step])
            await anyio.lowlevel.checkpoint()

    def _check_room(self, seconds: float) -> None:
        if self._session.config.audio.input.turn_detection is not None:
            return
        limit = self._session.live_settings.max_user_turn_s
        if self._buffered_s + seconds > limit:
            message = f"the input audio buffer holds {limit:g} seconds at most: commit or clear it"
            raise ApiError(message, code="input_audio_buffer_full")
        self._buffered_s += seconds

    def _commit(self) -> None:
        self._buffered_s = 0.0
        if not self._live.commit():
            message = "the input audio buffer is empty: nothing to commit"
            raise ApiError(message, code="input_audio_buffer_commit_empty")

    def _decode_part(self, text: str) -> Audio:
        """Decodes the audio of an item's part."""
        decoder = AudioDecoder(self._decoder.format)
        samples = decoder.decode(text)
        audio = Audio.from_pcm16(samples, decoder.rate)
        limit = self._max_audio_s
        if not len(samples) or audio.seconds > limit:
            message = f"audio: it has to be between 0 and {limit:g} seconds long"
            raise ApiError(message, param="item.content", code="invalid_value")
        self._audio_in.inc(audio.seconds)
        return audio

    # The session.

    def _update(self, event: client.SessionUpdate) -> None:
        self._session.update(event.session)
        audio_format = self._session.config.audio.input.format
        if audio_format != self._decoder.format:
            self._decoder = AudioDecoder(audio_format)
        self._control.configure()
        self._control.announce("updated")

    # Items.

    def _create(self, event: client.ItemCreate) -> None:
        if self._is_full():
            raise ApiError("the conversation is full: nothing more can be added", code="full")
        given = event.item
        item = item_from_client(given, self._decode_part)
        if isinstance(given, FunctionOutputItem) and self._items.call(given.call_id) is None:
            message = f"no call {given.call_id!r} stands before its output"
            raise ApiError(message, param="item.call_id", code="invalid_tool_call_id")
        before = self._items.add(item, event.previous_item_id)
        self._emit(wire.item_added(item.content, before))
        self._emit(wire.item_done(item.content, before))
        if isinstance(given, FunctionOutputItem):
            self._live.edit(partial(self._answer_call, given.call_id, given.output))
        else:
            self._live.edit(partial(self._insert, item))

    def _answer_call(self, call_id: str, text: str) -> None:
        self._session.session.history.answer_call(call_id, text)

    def _insert(self, item: Item) -> None:
        history = self._session.session.history
        if item.id not in self._items:  # deleted meanwhile
            return
        if item is self._items.last:
            history.close_open_calls()
            history.extend(item.messages)
        else:
            history.insert_after(self._items.message_ids_before(item), item.messages)

    def _delete(self, item: Item) -> None:
        call_ids = self._items.call_ids
        self._items.remove(item)
        self._emit(wire.item_deleted(item.id))
        self._live.edit(partial(self._drop, item, call_ids))

    def _drop(self, item: Item, call_ids: frozenset[str]) -> None:
        """Removes the item's messages; calls that are items of their own stay."""
        history = self._session.session.history
        if item.kind == "function_call_output":
            history.forget_result(item.call_id)
        elif item.kind == "function_call":
            history.drop_call(item.call_id)
        else:
            history.drop(item.message_ids, keep_calls=call_ids)

    def _truncate(self, event: client.ItemTruncate) -> None:
        item = self._items.get(event.item_id, "truncate")
        if not (item.by_assistant and item.speaks):
            message = f"the item {item.id!r} has no audio of the assistant"
            code = "item_truncate_invalid_item_id"
            raise ApiError(message, param="item_id", code=code)
        end_ms = min(max(0, event.audio_end_ms), round(item.audio_s * 1000))
        runs = self._responses.running(item.live_id) is not None
        if runs:
            self._live.stop()  # a client that truncates a response does not want the rest
        text = self._live.truncate(item.live_id, end_ms / 1000)
        if text is not None and not runs:
            item.set_text(text)
        self._emit(wire.item_truncated(item.id, event.content_index, end_ms))

    # Responses.

    def _respond(self, asked: client.ResponseConfig) -> None:
        session = self._session
        if session.transcribes:
            raise ApiError("a transcription session has no responses", code="invalid_value")
        name = asked.audio.output.voice if asked.audio and asked.audio.output else None
        voice = session.voice_named(name) if name else None
        options = ResponseOptions.of(session.config, asked, voice)
        if not options.out_of_band:
            self._control.check_free()
        if asked.input is not None:
            self._out_of_band.start(options, self._input(asked.input))
        elif options.out_of_band:
            self._out_of_band.start(options)
        else:
            self._control.respond(options)

    def _input(self, given: list[ItemReference | ClientItem]) -> History:
        """Returns the messages that a response's own input stands for."""
        messages = History()
        for item in given:
            if isinstance(item, ItemReference):
                messages.extend(self._items.get(item.id, "retrieve").messages)
            elif isinstance(item, FunctionOutputItem):
                messages.answer_call(item.call_id, item.output)
            else:
                messages.extend(item_from_client(item, self._decode_part).messages)
        return messages

    def _cancel(self, response_id: str | None) -> None:
        if response_id and self._out_of_band.cancel(response_id):
            return
        ids = self._responses.ids
        is_it = self._responses.busy and (not response_id or not ids or response_id in ids)
        if not (is_it and self._live.stop()):
            raise ApiError(
                "Cancellation failed: no active response found",
                code="response_cancel_not_active",
            )
