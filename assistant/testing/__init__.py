"""Public doubles for tests of tools and of programs that use the assistant."""

from assistant.testing.checkpoint import tiny_checkpoint
from assistant.testing.clock import ManualClock
from assistant.testing.scripted import ScriptedEngine
from assistant.testing.tools import FailingTool, RecordingTool, SlowTool, ToolBench, call_tool

__all__ = [
    "FailingTool",
    "ManualClock",
    "RecordingTool",
    "ScriptedEngine",
    "SlowTool",
    "ToolBench",
    "call_tool",
    "tiny_checkpoint",
]
