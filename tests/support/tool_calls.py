"""Tool calls, as a model writes them and as the parser reads them."""

from __future__ import annotations

import json
from typing import Any

from assistant.messages import ToolCall
from assistant.plugins import Tool


def call(name: str, **arguments: Any) -> str:
    """Returns a tool call as a model writes it."""
    return f"<tool_call>function\n{name}\n{json.dumps(arguments)}</tool_call>"


def tool_call(tool: Tool | str, arguments: str = "{}", problem: str = "") -> ToolCall:
    """Returns a call of a tool, which may also be a mere name."""
    name = tool if isinstance(tool, str) else tool.name
    return ToolCall("call-1", name, arguments, problem)
