"""Writes the server events of one response.

response.created
  output_item.added  item.added  content_part.added          with the first word or audio
  (transcript delta | audio delta)*
  audio.done  transcript.done  content_part.done  item.done  output_item.done
  (output_item.added  item.added  arguments.delta  arguments.done  item.done
   output_item.done)*                                        calls of the client's tools
response.done
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from assistant.audio.samples import OUTPUT_RATE, Pcm16
from assistant.events import TurnEnded, Usage
from assistant.messages import Message, ToolCall
from assistant.server.realtime import item_schema as shapes
from assistant.server.realtime import server_events as wire
from assistant.server.realtime.audio import AudioEncoder
from assistant.server.realtime.item_schema import Status
from assistant.server.realtime.items import Item, Items
from assistant.server.realtime.response_options import ResponseOptions
from assistant.server.realtime.server_events import new_id
from assistant.server.special_tokens import SpecialTokenFilter

Json = dict[str, Any]
Emit = Callable[[Json], None]
Reason = Literal["completed", "interrupted", "cancelled", "failed"]

_REASONS = {"interrupted": "turn_detected", "cancelled": "client_cancelled"}


class ResponseWriter:
    """`items`: of the conversation; None for an out-of-band response. `voice`: its id."""

    def __init__(
        self,
        emit: Emit,
        options: ResponseOptions,
        *,
        voice: str,
        conversation_id: str,
        items: Items | None = None,
        live_id: str = "",
    ) -> None:
        self.id = new_id("resp")
        self.live_id = live_id
        self.item: Item | None = None
        """The item of its text and audio."""
        self.problem = ""
        """Why it failed, for people."""
        self._emit = emit
        self._options = options
        self._voice = voice
        self._conversation_id = conversation_id
        self._items = items
        self._output: list[Json] = []
        self._new_items: list[Item] = []
        self._before: dict[str, str | None] = {}  # the item before, by item
        self._text = ""
        self._clean = SpecialTokenFilter()
        self._encoder = AudioEncoder(options.format)

    def start(self) -> None:
        self._emit(wire.response("created", self._to_json("in_progress")))

    def text(self, text: str) -> None:
        clean = self._clean.feed(text)
        if clean:
            self._say(clean)

    def _say(self, text: str) -> None:
        item = self._message()
        self._text += text
        name = "output_audio_transcript.delta" if self._options.speaks else "output_text.delta"
        self._emit(wire.content(name, self.id, item.id, delta=text))

    def audio(self, samples: Pcm16) -> None:
        if not self._options.speaks:
            return
        item = self._message()
        item.audio_s += len(samples) / OUTPUT_RATE
        for delta in self._encoder.encode(samples):
            self._emit(wire.content("output_audio.delta", self.id, item.id, delta=delta))

    def _message(self) -> Item:
        """Returns the item of its text and audio, which is begun if it is not there yet."""
        if self.item is None:
            shown = shapes.message(new_id("item"), "assistant", [], "in_progress")
            self.item = self._begin(shown)
            part = wire.part("", speaks=self._options.speaks)
            self._emit(wire.content("content_part.added", self.id, self.item.id, part=part))
        return self.item

    def _begin(self, shown: Json) -> Item:
        item = Item(shown, live_id=self.live_id, speaks=self._options.speaks)
        self._emit(wire.output_item("added", self.id, len(self._output), dict(shown)))
        if self._items is not None:
            self._before[item.id] = before = self._items.add(item)
            self._emit(wire.item_added(dict(shown), before))
        self._output.append(shown)
        self._new_items.append(item)
        return item

    def end(self, reason: Reason, ended: TurnEnded, messages: tuple[Message, ...] = ()) -> None:
        """`messages`: what it put into the history."""
        status = self._status(reason, ended)
        if rest := self._clean.finish():
            self._say(rest)
        if self.item is not None:
            self._finish(self.item, "completed" if status == "completed" else "incomplete")
        if reason == "completed":
            for call in ended.calls:
                self._call(call)
        if self._new_items:
            self._new_items[0].messages = messages
        shown = self._to_json(status, self._details(status, reason), ended.usage)
        self._emit(wire.response("done", shown))

    def _finish(self, item: Item, status: Status) -> None:
        speaks = self._options.speaks
        if speaks:
            for delta in self._encoder.finish():
                self._emit(wire.content("output_audio.delta", self.id, item.id, delta=delta))
            self._emit(wire.content("output_audio.done", self.id, item.id))
            name = "output_audio_transcript.done"
            self._emit(wire.content(name, self.id, item.id, transcript=self._text))
        else:
            self._emit(wire.content("output_text.done", self.id, item.id, text=self._text))
        part = wire.part(self._text, speaks=speaks)
        self._emit(wire.content("content_part.done", self.id, item.id, part=part))
        item.content["content"] = [shapes.output_content(self._text, speaks=speaks)]
        self._item_done(0, item, status)

    def _call(self, call: ToolCall) -> None:
        shown = shapes.function_call(new_id("item"), call.id, call.name, "", "in_progress")
        item, index = self._begin(shown), len(self._output) - 1
        self._emit(wire.arguments("delta", self.id, index, shown, delta=call.arguments))
        values = {"name": call.name, "arguments": call.arguments}
        self._emit(wire.arguments("done", self.id, index, shown, **values))
        shown["arguments"] = call.arguments
        self._item_done(index, item, "completed")

    def _item_done(self, index: int, item: Item, status: Status) -> None:
        item.content["status"] = status
        if self._items is not None:
            self._emit(wire.item_done(dict(item.content), self._before[item.id]))
        self._emit(wire.output_item("done", self.id, index, dict(item.content)))

    def _status(self, reason: Reason, ended: TurnEnded) -> str:
        if reason == "completed" and ended.cut_off:
            return "incomplete"
        return "cancelled" if reason in _REASONS else reason

    def _details(self, status: str, reason: Reason) -> Json | None:
        match status:
            case "cancelled":
                return {"type": "cancelled", "reason": _REASONS[reason]}
            case "incomplete":
                return {"type": "incomplete", "reason": "max_output_tokens"}
            case "failed":
                error = {"type": "server_error", "code": "server_error", "message": self.problem}
                return {"type": "failed", "error": error}
        return None

    def _to_json(self, status: str, details: Json | None = None, used: Usage | None = None) -> Json:
        output = {"format": self._options.format.to_json(), "voice": self._voice}
        return {
            "id": self.id,
            "object": "realtime.response",
            "status": status,
            "status_details": details,
            "output": [dict(item) for item in self._output],
            "output_modalities": ["audio"] if self._options.speaks else ["text"],
            "conversation_id": self._conversation_id if self._items is not None else None,
            "max_output_tokens": self._options.max_tokens,
            "audio": {"output": output},
            "usage": wire.usage(used) if used else None,
            "metadata": self._options.metadata,
        }
