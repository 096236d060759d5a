"""The engine's replies: the results of tools, the tools there are, and what a call lacks."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from assistant.engines.embedded.parameters import Parameter
from assistant.engines.embedded.phrases import phrase
from assistant.messages import ToolMessage, ToolSchema

_TOLD = 5  # tools named in one answer: a listener remembers no more
_CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff]")


def told(results: Sequence[ToolMessage], language: str) -> str:
    """Returns the outcomes of the calls, in order, as one reply."""
    return " ".join(dict.fromkeys(_told_one(result, language) for result in results))


def _told_one(result: ToolMessage, language: str) -> str:
    text = _unquoted(result.text.strip())
    if result.outcome == "ok":
        return _as_sentence(text) if text else phrase("done", language)
    opening = phrase("timeout" if result.outcome == "timeout" else "failed", language)
    return f"{opening} {_as_sentence(text)}".strip()


def _unquoted(text: str) -> str:
    """A text that a client's tool gave as JSON, without its quotes."""
    try:
        value = json.loads(text) if text.startswith('"') else text
    except ValueError:
        return text
    return value if isinstance(value, str) else text


def _as_sentence(text: str) -> str:
    if not text or not text[-1].isalnum():
        return text
    return text + ("。" if _CJK.match(text[-1]) else ".")


def no_tool(tools: Sequence[ToolSchema], language: str) -> str:
    """That nothing fits, and what there is instead."""
    if not tools:
        return phrase("no_tools", language)
    return f"{phrase('no_tool', language)} {can_do(tools, language)}"


def can_do(tools: Sequence[ToolSchema], language: str) -> str:
    """The tools by name, and something to say to one of them."""
    if not tools:
        return phrase("no_tools", language)
    names = [tool.name.replace("_", " ") for tool in tools[:_TOLD]]
    said = phrase("can_do", language, ", ".join(names))
    example = _example(tools, language)
    return f"{said} {phrase('for_example', language, example)}" if example else said


def _example(tools: Sequence[ToolSchema], language: str) -> str:
    """An example in a script that fits the language."""
    chinese = language.startswith(("zh", "yue", "ja"))
    examples = [example for tool in tools for example in tool.examples]
    fitting = [example for example in examples if bool(_CJK.search(example)) == chinese]
    return next(iter(fitting), "")


def ask_for(parameter: Parameter, language: str) -> str:
    return phrase("ask", language, parameter.name.replace("_", " "))
