"""/v1/realtime: what clients send, one model an event."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from assistant.server.openai_types import Lenient
from assistant.server.realtime.item_schema import ClientItem, ItemReference
from assistant.server.realtime.session_config import (
    AudioOutput,
    MaxTokens,
    Modalities,
    ToolChoice,
    Tools,
)


class _Event(Lenient):
    event_id: str | None = Field(default=None, max_length=512)


class SessionUpdate(_Event):
    type: Literal["session.update"]
    session: dict[str, Any]


class AudioAppend(_Event):
    type: Literal["input_audio_buffer.append"]
    audio: str


class AudioCommit(_Event):
    type: Literal["input_audio_buffer.commit"]


class AudioClear(_Event):
    type: Literal["input_audio_buffer.clear"]


class OutputClear(_Event):
    """Accepted and ignored: the server has no output buffer of its own (as WebRTC has)."""

    type: Literal["output_audio_buffer.clear"]


class ItemCreate(_Event):
    type: Literal["conversation.item.create"]
    item: ClientItem
    previous_item_id: str | None = None


class ItemDelete(_Event):
    type: Literal["conversation.item.delete"]
    item_id: str


class ItemRetrieve(_Event):
    type: Literal["conversation.item.retrieve"]
    item_id: str


class ItemTruncate(_Event):
    type: Literal["conversation.item.truncate"]
    item_id: str
    content_index: int = 0
    audio_end_ms: int


class ResponseAudioOutput(Lenient):
    output: AudioOutput | None = None


class ResponseConfig(Lenient):
    """The differences of one response to the session; None is the session's value."""

    instructions: str | None = None
    output_modalities: Modalities | None = None
    audio: ResponseAudioOutput | None = None
    tools: Tools | None = None
    tool_choice: ToolChoice | None = None
    max_output_tokens: MaxTokens | None = None
    metadata: dict[str, str] | None = Field(default=None, max_length=64)
    conversation: str | None = None
    input: list[ItemReference | ClientItem] | None = Field(default=None, max_length=1_000)

    @property
    def out_of_band(self) -> bool:
        """True if the response stays out of the conversation."""
        return self.conversation == "none"


class ResponseCreate(_Event):
    type: Literal["response.create"]
    response: ResponseConfig | None = None


class ResponseCancel(_Event):
    type: Literal["response.cancel"]
    response_id: str | None = None


class PlaybackPosition(_Event):
    """An extension: how much of a response's audio was played."""

    type: Literal["assistant.playback.position"]
    response_id: str
    played_ms: float = Field(ge=0.0, allow_inf_nan=False)


ClientEvent = Annotated[
    SessionUpdate
    | AudioAppend
    | AudioCommit
    | AudioClear
    | OutputClear
    | ItemCreate
    | ItemDelete
    | ItemRetrieve
    | ItemTruncate
    | ResponseCreate
    | ResponseCancel
    | PlaybackPosition,
    Field(discriminator="type"),
]
