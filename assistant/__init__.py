"""A voice assistant framework around Step-Audio 2: audio in, tools, speech in any voice out.

`tool` makes a function a tool; `ask` asks one question and blocks; `Assistant` holds conversations
and streams events.
"""

from assistant import telemetry as _telemetry  # noqa: F401 - before any import of onnxruntime
from assistant.assistant import Assistant
from assistant.audio.samples import Audio
from assistant.audio.voice import Voice
from assistant.blocking import Answer, ask
from assistant.config import Settings, load_settings
from assistant.errors import AssistantError, ToolError
from assistant.events import (
    AudioChunk,
    Event,
    Failed,
    TextDelta,
    ToolCallFinished,
    ToolCallStarted,
    ToolProgress,
    Transcript,
    TurnEnded,
    TurnStarted,
    VoiceChanged,
)
from assistant.plugins import ToolContext, ToolResult, tool
from assistant.session import Session

__all__ = [
    "Answer",
    "Assistant",
    "AssistantError",
    "Audio",
    "AudioChunk",
    "Event",
    "Failed",
    "Session",
    "Settings",
    "TextDelta",
    "ToolCallFinished",
    "ToolCallStarted",
    "ToolContext",
    "ToolError",
    "ToolProgress",
    "ToolResult",
    "Transcript",
    "TurnEnded",
    "TurnStarted",
    "Voice",
    "VoiceChanged",
    "ask",
    "load_settings",
    "tool",
]
