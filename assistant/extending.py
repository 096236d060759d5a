"""Every extension point of the framework, in one place: what to implement, and where it goes in.

| to add | implement | hand it in |
|---|---|---|
| a tool | a typed function with a docstring, marked `@tool` | a file in a folder of `plugins.folders`, an entry point of the group `assistant.tools`, or `Assistant(tools=...)` |
| an engine | `Engine`, and its `EngineState` | an entry point of the group `assistant.engines`, named by the setting `engine`; or `Assistant(engine=...)` |
| an embedder for the voice search | `Embedder[str]` for words, `Embedder[Audio]` for clips | `VoiceLibrary(text_embedder=..., audio_embedder=...)`, then `Assistant(library=...)` |
| a speech detector (VAD) | `SpeechDetector` | `LiveConversation(detector=...)`; on a server `create_app(speech_detector=...)` |
| a session store | `SessionStore` | `create_app(session_store=...)` |

`examples/extensions/` has one file for each. The contracts are the docstrings of the protocols.
"""  # noqa: E501 - a table

from assistant.engines.base import (
    Engine,
    EngineOutput,
    EngineRequest,
    EngineState,
    Finish,
    Speech,
)
from assistant.events import TextDelta, Transcript
from assistant.library.embedding import Embedder
from assistant.live.vad.frames import SpeechDetector
from assistant.messages import ToolCall
from assistant.plugins import ToolContext, ToolResult, tool
from assistant.server.sessions.store import SessionRecord, SessionStore, StoredMessage, StoreError

__all__ = [
    "Embedder",
    "Engine",
    "EngineOutput",
    "EngineRequest",
    "EngineState",
    "Finish",
    "SessionRecord",
    "SessionStore",
    "Speech",
    "SpeechDetector",
    "StoreError",
    "StoredMessage",
    "TextDelta",
    "ToolCall",
    "ToolContext",
    "ToolResult",
    "Transcript",
    "tool",
]
