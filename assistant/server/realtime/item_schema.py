"""/v1/realtime: items of a conversation, as clients send and receive them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from assistant.server.openai_types import Lenient

Json = dict[str, Any]
Status = Literal["completed", "in_progress", "incomplete"]
Id = Annotated[str, Field(min_length=1, max_length=128)]


class ContentPart(Lenient):
    """`text` and `audio` are what `input_text` and `output_audio` were called in the beta."""

    type: str
    text: str | None = None
    audio: str | None = None
    transcript: str | None = None

    @property
    def words(self) -> str:
        return self.text or self.transcript or ""


class MessageItem(Lenient):
    type: Literal["message"]
    id: Id | None = None
    role: Literal["user", "assistant", "system"]
    content: list[ContentPart] = Field(max_length=256)


class FunctionCallItem(Lenient):
    type: Literal["function_call"]
    id: Id | None = None
    call_id: Id | None = None
    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,128}$")
    arguments: str = "{}"


class FunctionOutputItem(Lenient):
    type: Literal["function_call_output"]
    id: Id | None = None
    call_id: Id
    output: str


ClientItem = Annotated[
    MessageItem | FunctionCallItem | FunctionOutputItem, Field(discriminator="type")
]


class ItemReference(Lenient):
    """An item of the conversation in the input of a response, instead of a new one."""

    type: Literal["item_reference"]
    id: str


def message(item_id: str, role: str, content: list[Json], status: Status = "completed") -> Json:
    return _item(item_id, "message", status, role=role, content=content)


def function_call(
    item_id: str, call_id: str, name: str, arguments: str, status: Status = "completed"
) -> Json:
    values = {"call_id": call_id, "name": name, "arguments": arguments}
    return _item(item_id, "function_call", status, **values)


def function_output(item_id: str, call_id: str, output: str) -> Json:
    return _item(item_id, "function_call_output", "completed", call_id=call_id, output=output)


def _item(item_id: str, kind: str, status: Status, **values: Any) -> Json:
    return {"id": item_id, "object": "realtime.item", "type": kind, "status": status, **values}


def input_audio(transcript: str | None = None) -> Json:
    """Returns the content of what a user said; the audio itself is never sent back."""
    return {"type": "input_audio", "transcript": transcript}


def input_text(text: str) -> Json:
    """Returns the content of what a user typed."""
    return {"type": "input_text", "text": text}


def output_content(text: str, *, speaks: bool) -> Json:
    """Returns the content of what the assistant said, or wrote."""
    if speaks:
        return {"type": "output_audio", "transcript": text}
    return {"type": "output_text", "text": text}
