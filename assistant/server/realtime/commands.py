"""What clients ask for, done; what can't be done is an ApiError."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio.lowlevel

from assistant.audio import Sound
from assistant.messages import Message
from assistant.server.realtime import history, making
from assistant.server.realtime.items import Item
from assistant.server.realtime.sound import DELTA_S, SoundIn
from assistant.server.realtime.wish import Wish
from assistant.server.wire import realtime_client as client
from assistant.server.wire import realtime_server as wire
from assistant.server.wire.errors import ApiError
from assistant.server.wire.realtime_items import ClientItem, FunctionOutputItem, ItemReference

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
        self._ears = SoundIn(connection.conversation.config.audio.input.format)
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
                answer_id = self._connection.narrator.answer_of(event.response_id)
                self._live.played(answer_id, event.played_ms / 1000)
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

    # Sound.

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

    def _hear(self, text: str) -> Sound:
        """The sound inside of an item."""
        ears = SoundIn(self._ears.form)
        samples = ears.decode(text)
        sound = Sound.from_pcm16(samples, ears.rate)
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
            self._ears = SoundIn(form)
        self._connection.configure()
        self._connection.tell_session()

    # Items.

    def _create(self, event: client.ItemCreate) -> None:
        if self._items.full:
            raise ApiError("the conversation is full: nothing more can be added", code="full")
        shape = event.item
        item = making.made(shape, self._hear)
        if isinstance(shape, FunctionOutputItem) and self._items.call(shape.call_id) is None:
            message = f"no call {shape.call_id!r} stands before its output"
            raise ApiError(message, param="item.call_id", code="invalid_tool_call_id")
        before = self._items.add(item, event.previous_item_id)
        self._emit(wire.item_added(item.shown, before))
        self._emit(wire.item_done(item.shown, before))
        if isinstance(shape, FunctionOutputItem):
            change = partial(history.answer_call, self._messages, shape.call_id, shape.output)
        else:
            change = partial(self._insert, item)
        self._live.edit(change)

    @property
    def _messages(self) -> list[Message]:
        return self._session.history

    def _insert(self, item: Item) -> None:
        if item.id in self._items:  # not deleted meanwhile
            history.insert(self._messages, item, tuple(self._items))

    def _delete(self, item: Item) -> None:
        before = tuple(self._items)
        self._items.remove(item)
        self._emit(wire.item_deleted(item.id))
        self._live.edit(partial(history.remove, self._messages, item, before))

    def _truncate(self, event: client.ItemTruncate) -> None:
        item = self._items.get(event.item_id, "truncate")
        if not (item.is_said and item.speaks):
            message = f"the item {item.id!r} has no sound of the assistant"
            code = "item_truncate_invalid_item_id"
            raise ApiError(message, param="item_id", code=code)
        end_ms = min(max(0, event.audio_end_ms), round(item.sound_s * 1000))
        runs = item.answer_id in self._connection.narrator.running
        if runs:
            self._connection.stop()  # whoever cuts it off does not want the rest
        text = self._live.truncate(item.answer_id, end_ms / 1000)
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
        wish = Wish.of(conversation.config, asked, voice)
        if not wish.apart:
            self._connection.check_free()
        if asked.input is not None:
            self._connection.apart.start(wish, self._input(asked.input))
        elif wish.apart:
            self._connection.apart.start(wish)
        else:
            self._connection.respond(wish)

    def _input(self, shapes: list[ItemReference | ClientItem]) -> list[Message]:
        messages: list[Message] = []
        for shape in shapes:
            if isinstance(shape, ItemReference):
                messages.extend(self._items.get(shape.id, "retrieve").messages)
            elif isinstance(shape, FunctionOutputItem):
                history.answer_call(messages, shape.call_id, shape.output)
            else:
                messages.extend(making.made(shape, self._hear).messages)
        return messages

    def _cancel(self, response_id: str | None) -> None:
        if response_id and self._connection.apart.cancel(response_id):
            return
        narrator = self._connection.narrator
        ids = {running.response.id for running in narrator.running.values()}
        is_it = narrator.busy and (not response_id or not ids or response_id in ids)
        if not (is_it and self._connection.stop()):
            raise ApiError(
                "Cancellation failed: no active response found",
                code="response_cancel_not_active",
            )
