"""Reads a client's messages into those of a session."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from assistant.audio.samples import OUTPUT_RATE, Audio
from assistant.history import History
from assistant.messages import (
    AssistantMessage,
    Message,
    SystemMessage,
    ToolCall,
    ToolMessage,
    UserMessage,
    open_calls,
)
from assistant.server.chat.request import ChatMessage, ChatRequest, InputAudio, Part
from assistant.server.http.errors import ApiError, too_large
from assistant.server.request_audio import fetch_audio, read_audio
from assistant.server.special_tokens import TTS_START, without_special_tokens
from assistant.server.state import get_state

Find = Callable[[str], tuple[Message, ...]]
RAW_FORMATS = ("pcm", "pcm16")


def from_base64(data: str) -> bytes:
    """Raises ApiError."""
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise ApiError("input_audio.data is not base64", param="messages") from None


@dataclass
class ClientHistory:
    """A conversation as the client tells it.

    `system_prompt` is None if there is none. `waiting` are the calls of the client's own tools that
    have no result yet, by id.
    """

    system_prompt: str | None = None
    messages: History = field(default_factory=History)
    waiting: dict[str, ToolCall] = field(default_factory=dict)

    def close_calls(self) -> None:
        """Closes the calls without a result, before anything but a result follows."""
        if self.waiting:  # or each of many messages would look through all those before it
            self.messages.close_open_calls()
            self.waiting.clear()


async def read_history(
    connection: HTTPConnection, request: ChatRequest, find: Find
) -> ClientHistory:
    """The messages, without the mark that asks for speech. `find` knows earlier turns by id.

    Raises ApiError and AudioError.
    """
    history = ClientHistory()
    most = get_state(connection).settings.limits.max_text_chars
    if sum(len(message.text) for message in request.messages) > most:
        raise too_large(f"messages: they hold more than {most} characters together")
    for at, message in enumerate(request.messages):
        is_last = at == len(request.messages) - 1
        if is_last and message.role == "assistant" and _is_opening(message):
            break
        try:
            await _add(connection, message, history, find)
        except ApiError as error:
            place = f"messages[{at}]"
            text = f"{place}: {error.message}"
            raise ApiError(text, status=error.status, param=place) from None
    if not history.messages and history.system_prompt is None:
        raise ApiError("messages: nothing was asked", param="messages")
    return history


def _is_opening(message: ChatMessage) -> bool:
    """Returns whether a message is an empty prefix, which only tells whether to speak."""
    has_more = message.tool_calls or message.tts_content or message.audio
    return not has_more and not without_special_tokens(message.text).strip()


async def _add(
    connection: HTTPConnection, message: ChatMessage, history: ClientHistory, find: Find
) -> None:
    match message.role:
        case "tool" | "input":
            _add_result(message, history)
        case "assistant":
            history.close_calls()
            _add_assistant(message, history, find)
        case "user" | "human":
            history.close_calls()
            history.messages.append(UserMessage(await _parts(connection, message)))
        case _:
            history.close_calls()
            _add_system(message, history)


def _add_system(message: ChatMessage, history: ClientHistory) -> None:
    if history.messages:
        history.messages.append(SystemMessage(message.text))
    else:
        before = history.system_prompt
        history.system_prompt = f"{before}\n{message.text}" if before else message.text


def _add_assistant(message: ChatMessage, history: ClientHistory, find: Find) -> None:
    calls = message.tool_calls or []
    known = find(calls[0].id) if calls else find(message.audio.id) if message.audio else ()
    if known and {call.id for call in open_calls(known)} == {call.id for call in calls}:
        history.messages.extend(known)
        history.waiting = {call.id: call for call in open_calls(known)}
        return
    text = message.text or (message.tts_content.tts_text if message.tts_content else "") or ""
    if message.audio and not text and not calls:
        raise ApiError(f"the audio {message.audio.id!r} is not known any more: send its transcript")
    made = [ToolCall(call.id, call.function.name, call.function.arguments) for call in calls]
    history.waiting = {call.id: call for call in made}
    if len(history.waiting) < len(made):
        raise ApiError("two calls have the same id")
    history.messages.append(AssistantMessage(without_special_tokens(text), tuple(made)))


def _add_result(message: ChatMessage, history: ClientHistory) -> None:
    call_id = message.tool_call_id
    if call_id is None:  # its position tells which call it belongs to
        call_id = next(iter(history.waiting), "")
    call = history.waiting.pop(call_id, None)
    if call is None:
        raise ApiError(f"no call {call_id!r} stands before its result")
    history.messages.append(ToolMessage(call, "ok", message.text))


async def _parts(connection: HTTPConnection, message: ChatMessage) -> tuple[str | Audio, ...]:
    parts = [await _part(connection, part) for part in message.parts]
    kept = [part for part in parts if not isinstance(part, str) or part.strip()]
    if not kept:
        raise ApiError("an empty message: give a text or audio")
    return tuple(kept)


async def _input_audio(connection: HTTPConnection, audio: InputAudio) -> Audio:
    if audio.data[:5].lower() == "data:":
        return await fetch_audio(connection, audio.data)
    rate = OUTPUT_RATE if audio.format in RAW_FORMATS else None
    return await read_audio(connection, from_base64(audio.data), raw_rate=rate)


async def _part(connection: HTTPConnection, part: Part) -> str | Audio:
    if part.input_audio is not None:
        return await _input_audio(connection, part.input_audio)
    if part.audio_url is not None:
        return await fetch_audio(connection, part.audio_url.url)
    if part.text is not None:
        return part.text.rstrip().removesuffix(TTS_START)
    raise ApiError(f"a part of type {part.type!r} can't be read: text, input_audio or audio_url")
