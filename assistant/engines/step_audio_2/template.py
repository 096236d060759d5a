"""Messages and tool schemas in the form that Step-Audio 2 was trained on.

<|BOT|>{role}\\n{content}<|EOT|>          for each message
<|BOT|>assistant\\n<tts_start>           the turn that the model is to continue, spoken
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from assistant.config import StepAudio2Settings
from assistant.engines.parser import CLOSE, OPEN
from assistant.engines.step_audio_2.prompt import Part, Prompt, PromptWriter
from assistant.engines.step_audio_2.tokens import Mark, SpecialTokens
from assistant.messages import (
    AssistantMessage,
    Message,
    SystemMessage,
    ToolMessage,
    ToolSchema,
    UserMessage,
)

TTS_START = Mark("<tts_start>")


class ChatTemplate:
    """Writes a conversation; the caller opens the assistant's turn after it."""

    def __init__(
        self, writer: PromptWriter, special: SpecialTokens, settings: StepAudio2Settings
    ) -> None:
        self._writer, self._special, self._settings = writer, special, settings

    def write(self, messages: Sequence[Message], tools: Sequence[ToolSchema] = ()) -> None:
        """Tool schemas stand right after the system messages at the beginning."""
        system = _leading_system(messages)
        for message in messages[:system]:
            self._message(message, last=True)
        if tools:
            schemas = [tool.to_openai() for tool in tools]
            self._writer.turn("tool_json_schemas", json.dumps(schemas, ensure_ascii=False))
        following = [*messages[system + 1 :], None]
        for message, after in zip(messages[system:], following, strict=False):
            self._message(message, last=not isinstance(after, ToolMessage))

    def open_turn(self, *parts: Part) -> Prompt:
        self._writer.turn("assistant", *parts, is_open=True)
        return self._writer.prompt

    def _message(self, message: Message, *, last: bool) -> None:
        if isinstance(message, SystemMessage):
            self._writer.turn("system", message.text)
        elif isinstance(message, UserMessage):
            self._writer.turn("human", *message.parts)
        elif isinstance(message, AssistantMessage):
            self._writer.turn("assistant", *answer_parts(message, self._special))
        else:
            self._result(message, last=last)

    def _result(self, message: ToolMessage, *, last: bool) -> None:
        """`last`: no other result follows, so what to do with them is said now."""
        if self._settings.result_role == "function_output":
            self._writer.turn("function_output", f"{message.call.name}\n{message.text}")
            return
        prompt = self._settings.result_prompt if last else ""
        self._writer.turn("input", message.text + prompt)


def write_plain(writer: PromptWriter, messages: Sequence[Message], special: SpecialTokens) -> None:
    """The form of base models: no roles, everything as it stands."""
    for message in messages:
        if isinstance(message, UserMessage):
            writer.write(*message.parts)
        elif isinstance(message, AssistantMessage):
            writer.write(*answer_parts(message, special))
        else:
            writer.write(message.text)


def answer_parts(message: AssistantMessage, special: SpecialTokens) -> list[Part]:
    """Returns a response as it was generated; its text and calls if this model's ids are
    missing.
    """
    if message.tokens and _belongs_inside(message.tokens, special):
        return [message.tokens]
    parts: list[Part] = [message.text] if message.text else []
    for call in message.calls:
        body = f"function\n{call.name}\n{call.arguments}"
        parts += [Mark(OPEN), body, Mark(CLOSE)]
    return parts


def _belongs_inside(tokens: Sequence[int], special: SpecialTokens) -> bool:
    """Returns whether all ids belong inside of a turn: none would end it, or stand for
    audio input.
    """
    played = {special.audio_start, special.audio_patch, special.audio_end}
    forbidden = special.ends | played
    highest = special.speech + 6561
    return all(0 <= token <= highest and token not in forbidden for token in tokens)


def _leading_system(messages: Sequence[Message]) -> int:
    count = 0
    while count < len(messages) and isinstance(messages[count], SystemMessage):
        count += 1
    return count
