"""Items that clients create, with their messages in the history."""

from __future__ import annotations

from collections.abc import Callable

from assistant.audio.samples import Audio
from assistant.messages import (
    AssistantMessage,
    Message,
    SystemMessage,
    ToolCall,
    UserMessage,
)
from assistant.server.http.errors import ApiError
from assistant.server.realtime import item_schema as shapes
from assistant.server.realtime.item_schema import (
    ContentPart,
    FunctionCallItem,
    FunctionOutputItem,
    Json,
    MessageItem,
)
from assistant.server.realtime.items import Item
from assistant.server.realtime.server_events import new_id
from assistant.server.special_tokens import without_special_tokens

Decode = Callable[[str], Audio]
"""Decodes base64 in the format of the session's input. Raises ApiError."""

_TEXT_TYPES = ("input_text", "text", "output_text")
_AUDIO_TYPES = ("input_audio", "audio", "output_audio")


def item_from_client(
    shape: MessageItem | FunctionCallItem | FunctionOutputItem, decode: Decode
) -> Item:
    """Raises ApiError: a part that can't be read. The result of a call stands for no message of
    its own: it goes to its call.
    """
    item_id = shape.id or new_id("item")
    if isinstance(shape, MessageItem):
        return _message(item_id, shape, decode)
    call_id = shape.call_id or new_id("item").replace("item", "call")
    if isinstance(shape, FunctionOutputItem):
        return Item(shapes.function_output(item_id, call_id, shape.output))
    call = ToolCall(call_id, shape.name, shape.arguments)
    shown = shapes.function_call(item_id, call_id, shape.name, shape.arguments)
    return Item(shown, (AssistantMessage("", (call,)),))


def _message(item_id: str, shape: MessageItem, decode: Decode) -> Item:
    if shape.role == "user":
        return _user(item_id, shape, decode)
    for part in shape.content:
        if part.type not in _TEXT_TYPES + _AUDIO_TYPES:
            raise _unreadable(part)
    text = "\n".join(part.words for part in shape.content if part.words)
    message: Message
    if shape.role == "system":
        content, message = [shapes.input_text(text)], SystemMessage(text)
    else:
        speaks = any(part.type in _AUDIO_TYPES for part in shape.content)
        text = without_special_tokens(text)
        content, message = [shapes.output_content(text, speaks=speaks)], AssistantMessage(text)
    return Item(shapes.message(item_id, shape.role, content), (message,) if text else ())


def _user(item_id: str, shape: MessageItem, decode: Decode) -> Item:
    content: list[Json] = []
    parts: list[str | Audio] = []
    for part in shape.content:
        if part.type in _TEXT_TYPES:
            content.append(shapes.input_text(part.words))
            parts.append(part.words)
        elif part.type in _AUDIO_TYPES:
            content.append(shapes.input_audio(part.transcript))
            parts.append(decode(part.audio) if part.audio else part.words)
        else:
            raise _unreadable(part)
    said = tuple(part for part in parts if not isinstance(part, str) or part.strip())
    return Item(shapes.message(item_id, "user", content), (UserMessage(said),) if said else ())


def _unreadable(part: ContentPart) -> ApiError:
    message = f"item.content: a part of type {part.type!r} can't be read: text and audio can"
    return ApiError(message, param="item.content", code="invalid_value")
