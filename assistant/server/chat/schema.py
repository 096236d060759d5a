"""The response of POST /v1/chat/completions, for the API's description."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class CalledFunction(BaseModel):
    name: str
    arguments: str


class CalledTool(BaseModel):
    id: str
    type: Literal["function"]
    function: CalledFunction


class SpokenAnswer(BaseModel):
    id: str
    data: str
    expires_at: int
    transcript: str


class AnswerMessage(BaseModel):
    role: Literal["assistant"]
    content: str | None
    audio: SpokenAnswer | None = None
    tool_calls: list[CalledTool] | None = None
    tts_content: dict[str, str] | None = None


class Choice(BaseModel):
    index: int
    message: AnswerMessage
    finish_reason: Literal["stop", "length", "tool_calls"]


class TokenUsage(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatCompletion(BaseModel):
    """`assistant_events`: what the server's own tools did, as far as they were called."""

    model_config = ConfigDict(extra="allow")

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: TokenUsage
    assistant_events: list[dict[str, Any]] | None = None
