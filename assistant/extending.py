"""Every extension point: what to implement, and how it is registered.

tool              a typed function with a docstring, marked `@tool`
                  - a Python file in a folder that `plugins.folders` or `--tools` names
                  - a package: an entry point of the group `assistant.tools`
                  - a program: `Assistant(tools=[roll_dice])`

engine            an `Engine` and its `EngineState`, returned by an `EngineFactory`
                  - a package: an entry point of the group `assistant.engines`, whose name is then a
                    value of the setting `engine`
                  - a program: `Assistant(engine=MyEngine())`

embedder          an `Embedder[str]` for search by words, an `Embedder[Audio]` for search by a clip
                  - a program: `Assistant(settings, library=open_library(settings,
                    text_embedder=MyEmbedder(), audio_embedder=MySpeakerEmbedder))`

speech detector   a `SpeechDetector` (VAD)
                  - a program: `LiveConversation(session, detector=MyDetector())`
                  - a server: `create_app(settings, speech_detector=MyDetector)`

session store     a `SessionStore`
                  - a server: `create_app(settings, session_store=MyStore())`

The contracts are the docstrings of the protocols. `examples/extensions/` has a template for each,
which imports from here alone. `create_app` is in `assistant.server`, `LiveConversation` in
`assistant.live.conversation`. Importing this module loads no engine, no model and no web framework.
"""

from assistant.assistant import Assistant, open_library
from assistant.audio.samples import Audio, Float32, Pcm16
from assistant.audio.voice import Voice
from assistant.config import Settings
from assistant.engines.base import (
    Engine,
    EngineFactory,
    EngineOutput,
    EngineRequest,
    EngineState,
    Finish,
    Speech,
)
from assistant.errors import EngineError, ToolError
from assistant.events import TextDelta, Transcript
from assistant.library.embedding import Embedder
from assistant.live.vad.frames import SpeechDetector
from assistant.messages import (
    AssistantMessage,
    Message,
    SystemMessage,
    ToolCall,
    ToolMessage,
    ToolSchema,
    UserMessage,
)
from assistant.plugins import ToolContext, ToolResult, tool
from assistant.server.sessions.store import SessionRecord, SessionStore, StoredMessage, StoreError

__all__ = [
    "Assistant",
    "AssistantMessage",
    "Audio",
    "Embedder",
    "Engine",
    "EngineError",
    "EngineFactory",
    "EngineOutput",
    "EngineRequest",
    "EngineState",
    "Finish",
    "Float32",
    "Message",
    "Pcm16",
    "SessionRecord",
    "SessionStore",
    "Settings",
    "Speech",
    "SpeechDetector",
    "StoreError",
    "StoredMessage",
    "SystemMessage",
    "TextDelta",
    "ToolCall",
    "ToolContext",
    "ToolError",
    "ToolMessage",
    "ToolResult",
    "ToolSchema",
    "Transcript",
    "UserMessage",
    "Voice",
    "open_library",
    "tool",
]
