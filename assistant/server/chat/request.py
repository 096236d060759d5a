"""POST /v1/chat/completions: the request body, in the dialects of OpenAI, vLLM-Omni and StepFun.

Unknown fields are ignored, because every client has some of its own; fields that would change the
meaning of the completion, and are not supported, are refused.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationError

from assistant.config import Sampling
from assistant.server.http.errors import ApiError
from assistant.server.openai_types import ClientTool, Lenient, VoiceName
from assistant.server.special_tokens import TTS_START


class InputAudio(Lenient):
    data: str
    format: str = ""


class AudioUrl(Lenient):
    url: str


class Part(Lenient):
    """One piece of a message."""

    type: str = "text"
    text: str | None = None
    input_audio: InputAudio | None = None
    audio_url: AudioUrl | None = None


class Function(Lenient):
    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,128}$")
    arguments: str = "{}"


class Call(Lenient):
    id: str = ""
    function: Function


class AudioReference(Lenient):
    id: str


class TtsContent(Lenient):
    tts_text: str | None = None


class ChatMessage(Lenient):
    """`human` and `input` are StepFun's words for user and tool."""

    role: Literal["system", "developer", "user", "human", "assistant", "tool", "input"]
    content: str | list[Part] | None = None
    tool_calls: list[Call] | None = None
    tool_call_id: str | None = None
    audio: AudioReference | None = None
    tts_content: TtsContent | None = None
    eot: bool | None = None

    @property
    def parts(self) -> list[Part]:
        if isinstance(self.content, str):
            return [Part(text=self.content)]
        return list(self.content or ())

    @property
    def text(self) -> str:
        """All of its text: a tool's result may come in several parts."""
        return "\n".join(part.text for part in self.parts if part.text)


class FunctionName(Lenient):
    name: str


class NamedChoice(Lenient):
    function: FunctionName


class AudioOut(Lenient):
    voice: VoiceName = None
    format: str | None = None


class StreamOptions(Lenient):
    include_usage: bool | None = None


class ResponseFormat(Lenient):
    type: str = "text"


class SamplingFields(Lenient):
    """Sampling parameters; those left out are as in the server's settings."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None


class ChatRequest(SamplingFields):
    model: str = ""
    messages: list[ChatMessage] = Field(min_length=1)
    modalities: list[str] | None = None
    audio: AudioOut | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[ClientTool] | None = Field(default=None, max_length=128)
    tool_choice: Literal["none", "auto", "required"] | NamedChoice | None = None
    n: int | None = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None
    sampling_params_list: list[SamplingFields] | None = None
    """vLLM-Omni: the first entry is for the model that writes, the others for its vocoder."""

    @property
    def is_stepfun(self) -> bool:
        keys = {key for message in self.messages for key in message.model_fields_set}
        roles = {message.role for message in self.messages}
        return bool(roles & {"human", "input"} or keys & {"eot", "tts_content"})

    @property
    def asks_by_modality(self) -> bool:
        return "audio" in (self.modalities or ())

    @property
    def asks_by_token(self) -> bool:
        """The last text ends where speech would start."""
        last = self.messages[-1]
        texts = [part.text for part in last.parts if part.text]
        return bool(texts) and texts[-1].rstrip().endswith(TTS_START)

    @property
    def speaks(self) -> bool:
        return self.asks_by_modality or self.asks_by_token

    @property
    def choice(self) -> str:
        if isinstance(self.tool_choice, NamedChoice):
            return self.tool_choice.function.name
        return self.tool_choice or "auto"

    def check(self, tools_of_server: set[str]) -> None:
        """Raises ApiError: what is asked for can't be given."""
        if self.n not in (None, 1):
            raise ApiError("n: only one answer can be given at a time, so it must be 1", param="n")
        if self.response_format and self.response_format.type != "text":
            message = "response_format: answers are spoken words; only the type text can be given"
            raise ApiError(message, param="response_format")
        if self.logprobs:
            raise ApiError("logprobs: none can be given", param="logprobs")
        if isinstance(self.tool_choice, NamedChoice) and self.choice not in tools_of_server | {
            tool.function.name for tool in self.tools or ()
        }:
            message = f"tool_choice: there is no tool {self.choice!r}"
            raise ApiError(message, param="tool_choice")


def sampling_of(request: ChatRequest, default: Sampling) -> Sampling:
    """Raises ApiError: a value out of its range."""
    given = _given(request)
    if request.sampling_params_list:
        given.update(_given(request.sampling_params_list[0]))
    try:
        return Sampling.model_validate({**default.model_dump(), **given})
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        raise ApiError(f"{field}: {first['msg'].lower()}", param=field) from None


def _given(fields: SamplingFields) -> dict[str, Any]:
    names = ("temperature", "top_p", "top_k", "repetition_penalty", "seed", "max_tokens")
    given = {name: getattr(fields, name) for name in names}
    if fields.max_completion_tokens is not None:
        given["max_tokens"] = fields.max_completion_tokens
    if fields.top_k == -1:  # vLLM's word for no limit
        given["top_k"] = 0
    if fields.stop is not None:
        stop = [fields.stop] if isinstance(fields.stop, str) else fields.stop
        given["stop"] = [word for word in stop if word]
    return {name: value for name, value in given.items() if value is not None}
