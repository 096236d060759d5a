"""The arguments of a call, from the model's JSON to values that fit, or to words it can mend by."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, from_json

from assistant.errors import ToolError, did_you_mean
from assistant.messages import ToolCall, ToolSchema
from assistant.plugins.tool import Tool

_LONGEST_VALUE = 80  # characters of a wrong value that are shown to the model


def canonical(call: ToolCall) -> tuple[str, str]:
    """Returns the canonical form of a call: equal for calls with the same name and arguments.

    Order and layout of the arguments don't matter. Arguments that are not JSON stand as they are.
    """
    try:
        values = from_json(call.arguments.strip() or "{}")
        return call.name, json.dumps(values, sort_keys=True, separators=(",", ":"))
    except ValueError:
        return call.name, call.arguments.strip()


def parse_arguments(tool: Tool, text: str) -> BaseModel:
    """The arguments, checked and converted. Raises ToolError: what is wrong and what fits."""
    values = _object(tool, text)
    model = tool.signature.model
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problem = error
    try:
        return model.model_validate(_mend(values, problem, tool))
    except ValidationError:
        raise _explain(tool, problem) from None  # of the model's text, not of the repaired one


def _object(tool: Tool, text: str) -> dict[str, Any]:
    try:
        values = from_json(text.strip() or "{}", allow_inf_nan=False)
    except ValueError as error:
        raise ToolError(
            f"The arguments of {tool.name} are not JSON: {error}. {_usage(tool)}"
        ) from None
    if not isinstance(values, dict):
        raise ToolError(f"The arguments of {tool.name} must be a JSON object. {_usage(tool)}")
    return values


def _mend(values: dict[str, Any], error: ValidationError, tool: Tool) -> dict[str, Any]:
    """Repairs what models are known to write: JSON inside a string, null for "not given".

    Arguments that are valid stay untouched.
    """
    mended = dict(values)
    required = tool.schema.parameters.get("required", ())
    for name in {str(problem["loc"][0]) for problem in error.errors() if problem["loc"]}:
        value = values.get(name, ...)
        if value is None and name not in required:
            del mended[name]
        elif isinstance(value, str):
            with suppress(ValueError):
                mended[name] = from_json(value, allow_inf_nan=False)
    return mended


def _explain(tool: Tool, error: ValidationError) -> ToolError:
    problems = "; ".join(_say(problem, tool) for problem in error.errors(include_url=False))
    return ToolError(f"The arguments of {tool.name} are wrong: {problems}. {_usage(tool)}")


def _say(problem: ErrorDetails, tool: Tool) -> str:
    where = ".".join(str(part) for part in problem["loc"]) or "arguments"
    if problem["type"] == "extra_forbidden":
        hint = did_you_mean(where, tool.schema.parameters["properties"])
        return f"there is no argument {where!r}" + (f", {hint.rstrip('?')}" if hint else "")
    if problem["type"] == "missing":
        return f"{where} is missing"
    value = repr(problem["input"])
    shown = value if len(value) <= _LONGEST_VALUE else value[:_LONGEST_VALUE] + "…"
    return f"{where}: {problem['msg'][0].lower()}{problem['msg'][1:]}, not {shown}"


def _usage(tool: Tool) -> str:
    return f"It takes {takes(tool.schema)}."


def takes(schema: ToolSchema) -> str:
    """A tool's arguments in a line: `city (string, required), days (integer)`."""
    properties = schema.parameters["properties"]
    required = schema.parameters.get("required", ())
    words = ", ".join(
        f"{name} ({kind(body)}{', required' if name in required else ''})"
        for name, body in properties.items()
    )
    return words or "no arguments"


def kind(schema: dict[str, Any]) -> str:
    """A JSON schema in a word or a few: `integer`, `one of now, today`, `array of string`."""
    if "enum" in schema:
        return "one of " + ", ".join(str(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(kind(option) for option in schema["anyOf"])
    if schema.get("type") == "array" and schema.get("items"):
        return f"array of {kind(schema['items'])}"
    return str(schema.get("type") or schema.get("const") or "anything")
