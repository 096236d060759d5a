"""A voice assistant around Step-Audio 2: it hears, calls tools, and answers in any voice.

from assistant import tool            add a tool
from assistant import ask             ask one question, blocking
from assistant import Assistant       conversations, streamed events
"""

from assistant.assistant import Assistant
from assistant.audio import Sound, Voice
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
    "AudioChunk",
    "Event",
    "Failed",
    "Session",
    "Settings",
    "Sound",
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
