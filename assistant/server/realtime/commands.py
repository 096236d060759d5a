"""What clients ask for, done; what can't be done is an ApiError."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio.lowlevel

from assistant.audio.samples import Audio
from assistant.history import History
from assistant.server.http.errors import ApiError
from assistant.server.realtime import client_events as client
from assistant.server.realtime import client_items
from assistant.server.realtime import server_events as wire
from assistant.server.realtime.audio import DELTA_S, AudioDecoder
from assistant.server.realtime.item_schema import ClientItem, FunctionOutputItem, ItemReference
from assistant.server.realtime.items import Item
from assistant.server.realtime.response_options import ResponseOptions

if TYPE_CHECKING:
    from assistant.server.realtime.connection import Connection


class Commands:
    """Of one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._conversation = connection.conversation
        self._items = connection.conversation.items
        self._session = connection.conversation.session
        self._live = connection.live
        self._emit = connection.emit
        self._ears = AudioDecoder(connection.conversation.config.audio.input.format)
        self._held_s = 0.0  # sound that waits for a commit

    async def do(self, event: client.ClientEvent) -> None:
        """Raises ApiError, AssistantError."""
        match event:
            case client.AudioAppend():
                await self._append(event.audio)
            case client.SessionUpdate():
                self._update(event)
            case client.AudioCommit():
                self._commit()
            case client.AudioClear():
                self._held_s = 0.0
                self._live.clear()
                self._emit(wire.cleared())
            case client.ResponseCreate():
                self._respond(event.response or client.ResponseConfig())
            case client.ResponseCancel():
                self._cancel(event.response_id)
            case client.PlaybackPosition():
                live_id = self._connection.narrator.answer_of(event.response_id)
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
                self._emit(wire.item_retrieved(item.shown))
            case client.ItemTruncate():
                self._truncate(event)

    # Audio.

    async def _append(self, text: str) -> None:
        samples = self._ears.decode(text)
        seconds = len(samples) / self._ears.rate
        self._check_room(seconds)
        self._connection.count_sound(seconds)
        step = int(DELTA_S * self._ears.rate)
        for at in range(0, len(samples), step):  # a minute at once would hold everybody up
            self._live.hear(samples[at : at + step])
            await anyio.lowlevel.checkpoint()

    def _check_room(self, seconds: float) -> None:
        if self._conversation.config.audio.input.turn_detection is not None:
            return
        limit = self._conversation.live_settings.max_utterance_s
        if self._held_s + seconds > limit:
            message = f"the input audio buffer holds {limit:g} seconds at most: commit or clear it"
            raise ApiError(message, code="input_audio_buffer_full")
        self._held_s += seconds

    def _commit(self) -> None:
        self._held_s = 0.0
        if not self._live.commit():
            message = "the input audio buffer is empty: nothing to commit"
            raise ApiError(message, code="input_audio_buffer_commit_empty")

    def _hear(self, text: str) -> Audio:
        """The sound inside of an item."""
        ears = AudioDecoder(self._ears.form)
        samples = ears.decode(text)
        sound = Audio.from_pcm16(samples, ears.rate)
        limit = self._connection.settings.max_audio_s
        if not len(samples) or sound.seconds > limit:
            message = f"audio: it has to be between 0 and {limit:g} seconds long"
            raise ApiError(message, param="item.content", code="invalid_value")
        self._connection.count_sound(sound.seconds)
        return sound

    # The session.

    def _update(self, event: client.SessionUpdate) -> None:
        self._conversation.update(event.session)
        form = self._conversation.config.audio.input.format
        if form != self._ears.form:
            self._ears = AudioDecoder(form)
        self._connection.configure()
        self._connection.tell_session()

    # Items.

    def _create(self, event: client.ItemCreate) -> None:
        if self._items.full:
            raise ApiError("the conversation is full: nothing more can be added", code="full")
        shape = event.item
        item = client_items.item_from_client(shape, self._hear)
        if isinstance(shape, FunctionOutputItem) and self._items.call(shape.call_id) is None:
            message = f"no call {shape.call_id!r} stands before its output"
            raise ApiError(message, param="item.call_id", code="invalid_tool_call_id")
        before = self._items.add(item, event.previous_item_id)
        self._emit(wire.item_added(item.shown, before))
        self._emit(wire.item_done(item.shown, before))
        if isinstance(shape, FunctionOutputItem):
            self._live.edit(partial(self._answer_call, shape.call_id, shape.output))
        else:
            self._live.edit(partial(self._insert, item))

    def _answer_call(self, call_id: str, text: str) -> None:
        self._session.history.answer_call(call_id, text)

    def _insert(self, item: Item) -> None:
        history = self._session.history
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
        history = self._session.history
        if item.kind == "function_call_output":
            history.forget_result(item.call_id)
        elif item.kind == "function_call":
            history.drop_call(item.call_id)
        else:
            history.drop(item.message_ids, keep_calls=call_ids)

    def _truncate(self, event: client.ItemTruncate) -> None:
        item = self._items.get(event.item_id, "truncate")
        if not (item.is_said and item.speaks):
            message = f"the item {item.id!r} has no sound of the assistant"
            code = "item_truncate_invalid_item_id"
            raise ApiError(message, param="item_id", code=code)
        end_ms = min(max(0, event.audio_end_ms), round(item.sound_s * 1000))
        runs = item.live_id in self._connection.narrator.running
        if runs:
            self._live.stop()  # whoever cuts it off does not want the rest
        text = self._live.truncate(item.live_id, end_ms / 1000)
        if text is not None and not runs:
            item.set_text(text)
        self._emit(wire.item_truncated(item.id, event.content_index, end_ms))

    # Responses.

    def _respond(self, asked: client.ResponseConfig) -> None:
        conversation = self._conversation
        if conversation.transcribes:
            raise ApiError("a transcription session has no responses", code="invalid_value")
        name = asked.audio.output.voice if asked.audio and asked.audio.output else None
        voice = conversation.voice_named(name) if name else None
        wish = ResponseOptions.of(conversation.config, asked, voice)
        if not wish.apart:
            self._connection.check_free()
        if asked.input is not None:
            self._connection.apart.start(wish, self._input(asked.input))
        elif wish.apart:
            self._connection.apart.start(wish)
        else:
            self._connection.respond(wish)

    def _input(self, shapes: list[ItemReference | ClientItem]) -> History:
        messages = History()
        for shape in shapes:
            if isinstance(shape, ItemReference):
                messages.extend(self._items.get(shape.id, "retrieve").messages)
            elif isinstance(shape, FunctionOutputItem):
                messages.answer_call(shape.call_id, shape.output)
            else:
                messages.extend(client_items.item_from_client(shape, self._hear).messages)
        return messages

    def _cancel(self, response_id: str | None) -> None:
        if response_id and self._connection.apart.cancel(response_id):
            return
        narrator = self._connection.narrator
        ids = {running.response.id for running in narrator.running.values()}
        is_it = narrator.busy and (not response_id or not ids or response_id in ids)
        if not (is_it and self._live.stop()):
            raise ApiError(
                "Cancellation failed: no active response found",
                code="response_cancel_not_active",
            )
