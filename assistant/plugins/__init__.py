"""Tools: what turns a function into a tool, how tools are found, and how their calls run."""

from assistant.plugins.calls import Approve, Caller, CallKey, EarlierCalls, ToolOutcome
from assistant.plugins.context import ToolContext, ToolResult, VoiceSearch
from assistant.plugins.dispatch import Dispatcher
from assistant.plugins.loader import LoadReport, check_tools, load_tools
from assistant.plugins.registry import Registry
from assistant.plugins.tool import SideEffect, Tool, tool

__all__ = [
    "Approve",
    "CallKey",
    "Caller",
    "Dispatcher",
    "EarlierCalls",
    "LoadReport",
    "Registry",
    "SideEffect",
    "Tool",
    "ToolContext",
    "ToolOutcome",
    "ToolResult",
    "VoiceSearch",
    "check_tools",
    "load_tools",
    "tool",
]
