"""Doubles and a bench for the tests of plugin authors and applications."""

from assistant.testing.tools import FailingTool, RecordingTool, SlowTool, ToolBench, call_tool

__all__ = ["FailingTool", "RecordingTool", "SlowTool", "ToolBench", "call_tool"]
