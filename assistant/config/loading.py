"""Loads the settings from four places; each overrides those before it:

    defaults < assistant.toml < ASSISTANT_* environment variables < options of the call

A variable names its key in capitals, with two underscores between table and key:
`ASSISTANT_VOICE=awb`, `ASSISTANT_PLUGINS__TIMEOUT_S=5`, `ASSISTANT_TOOLS__WEATHER__BASE_URL=...`.
An unknown key is an error that suggests the nearest one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from assistant.config.tables import Settings
from assistant.config.toml import parse as parse_toml
from assistant.errors import SettingsError, did_you_mean

SETTINGS_FILE = Path("assistant.toml")
ENVIRONMENT_PREFIX = "ASSISTANT_"


def bundled(name: str) -> Path:
    """Returns the bundled folder `name` (tools, voices).

    It lies inside the package in a wheel, and beside it in a checkout.
    """
    here = Path(__file__).parent.parent
    inside = here / "_bundled" / name
    return inside if inside.is_dir() else here.parent / name


def load_settings(
    file: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Settings:
    """Returns the settings of all four places together.

    `file`: by default assistant.toml in the working folder, if it exists. `options`: nested like
    the tables; None means not given. Raises SettingsError if a key or a value is wrong.
    """
    values: dict[str, Any] = {}
    _merge(values, _from_file(file))
    _merge(values, _from_environment(os.environ if environment is None else environment))
    _merge(values, options or {})
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(describe(error, Settings)) from None


def describe(error: ValidationError, model: type[BaseModel], prefix: str = "") -> str:
    """Returns a validation error as one line; for an unknown key with the nearest known one."""
    return "; ".join(_describe_one(problem, model, prefix) for problem in error.errors())


def _describe_one(problem: Any, model: type[BaseModel], prefix: str) -> str:
    key = prefix + ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "missing":  # its input is the whole table, which may contain secrets
        return f"{key}: must be set"
    if problem["type"] != "extra_forbidden":
        return f"{key}: {problem['msg'].lower()}, not {problem['input']!r}"
    hint = did_you_mean(str(problem["loc"][-1]), _keys(model, problem["loc"][:-1]))
    return f"unknown setting {key!r}" + (f"; {hint}" if hint else "")


def _keys(model: type[BaseModel], path: Iterable[str | int]) -> Iterable[str]:
    """Returns the keys of the table at `path`; none inside a list or an untyped table."""
    table: Any = model
    for part in path:
        field = table.model_fields.get(str(part))
        table = field.annotation if field else None
        if not (isinstance(table, type) and issubclass(table, BaseModel)):
            return ()
    return cast(type[BaseModel], table).model_fields


def _from_file(file: Path | None) -> dict[str, Any]:
    path = file or SETTINGS_FILE
    if file is None and not path.is_file():
        return {}
    try:
        return parse_toml(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: can't be read: {error.strerror}") from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise SettingsError(f"{path}: not TOML: {error}") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in environment.items():
        if name.startswith(ENVIRONMENT_PREFIX):
            *tables, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
            table = values
            for part in tables:
                table = table.setdefault(part, {})
                if not isinstance(table, dict):
                    raise SettingsError(f"{name}: {part} is set as a value and as a table")
            table[key] = value
    return values


def _merge(values: dict[str, Any], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, Mapping):
            below = values.setdefault(key, {})
            if isinstance(below, dict):
                _merge(below, value)
                continue
        if value is not None:
            values[key] = value
