"""Turns a function into a tool:

from assistant import tool

@tool
def roll_dice(sides: int = 6) -> str:
    "Rolls a die."
    return str(random.randint(1, sides))
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, cast, get_args, overload

from pydantic import BaseModel, ValidationError
from typing_extensions import ParamSpec, TypeVar

from assistant.config import describe
from assistant.errors import PluginError, SettingsError, did_you_mean
from assistant.messages import ToolSchema
from assistant.plugins.schema import Signature, read_signature

SideEffect = Literal["none", "idempotent", "once"]
"""The side effects of a call:

- `none`: nothing changes, it only reads;
- `idempotent`: twice is the same as once, such as setting an alarm clock;
- `once`: each call counts, such as sending a message. Never retried, and never cut short.
"""

NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,63}")

P = ParamSpec("P", default=...)
R = TypeVar("R", default=Any)


@dataclass(frozen=True, eq=False)
class Tool(Generic[P, R]):
    """A function that the model may call. Calling the object calls the plain function."""

    name: str
    function: Callable[P, R]
    schema: ToolSchema
    signature: Signature = field(repr=False)
    side_effect: SideEffect
    timeout_s: float | None  # None: the limit of the settings
    needs_approval: bool
    settings_model: type[BaseModel] | None
    path: Path
    line: int
    settings: BaseModel | None = None
    warm_up: Callable[[], object] | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    @property
    def __wrapped__(self) -> Callable[P, R]:  # for inspect.signature
        return self.function

    @property
    def examples(self) -> tuple[str, ...]:
        return self.schema.examples

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}"

    def configured(self, table: Mapping[str, Any] | None = None) -> Tool[P, R]:
        """The tool with its settings table, checked; no table stands for the defaults.

        Raises SettingsError: an unknown key, a wrong value, a table for a tool that has none.
        """
        if self.settings_model is None:
            if table:
                raise SettingsError(f"tools.{self.name}: the tool {self.name} has no settings")
            return self
        model, prefix = self.settings_model, f"tools.{self.name}."
        _refuse_unknown(model, table or {}, prefix)
        try:
            return dataclasses.replace(self, settings=model.model_validate(dict(table or {})))
        except ValidationError as error:
            raise SettingsError(describe(error, model, prefix)) from None


def _refuse_unknown(model: type[BaseModel], table: Mapping[str, Any], prefix: str) -> None:
    """An author's model says nothing of unknown keys, as a rule; a typing error must not pass."""
    if model.model_config.get("extra") == "allow":
        return
    fields = model.model_fields
    known = {*fields, *(info.alias for info in fields.values() if info.alias)}
    for key in table.keys() - known:
        hint = did_you_mean(key, known)
        raise SettingsError(f"unknown setting {prefix + key!r}" + (f"; {hint}" if hint else ""))


@dataclass(slots=True)
class Harvest:
    """The tools and the problems of one file, while it is being loaded."""

    path: Path
    tools: list[Tool] = field(default_factory=list)
    problems: list[PluginError] = field(default_factory=list)


_harvest: ContextVar[Harvest | None] = ContextVar("harvest", default=None)


@contextmanager
def harvest(path: Path) -> Iterator[Harvest]:
    """Collects the tools that `@tool` defines in the file `path`; their problems don't stop its
    import.
    """
    found = Harvest(path)
    token = _harvest.set(found)
    try:
        yield found
    finally:
        _harvest.reset(token)


@overload
def tool(function: Callable[P, R], /) -> Tool[P, R]: ...


@overload
def tool(
    *,
    name: str = ...,
    examples: Sequence[str] = ...,
    side_effect: SideEffect = ...,
    timeout_s: float | None = ...,
    needs_approval: bool = ...,
    settings: type[BaseModel] | None = ...,
    lead_in: str = ...,
    warm_up: Callable[[], object] | None = ...,
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...


def tool(
    function: Any = None,
    /,
    *,
    name: str = "",
    examples: Sequence[str] = (),
    side_effect: SideEffect = "once",
    timeout_s: float | None = None,
    needs_approval: bool = False,
    settings: type[BaseModel] | None = None,
    lead_in: str = "",
    warm_up: Callable[[], object] | None = None,
) -> Any:
    """Makes a typed function with a docstring a tool.

    The docstring tells the model what the tool does, `Annotated[T, "text"]` what an argument
    means. A parameter annotated `ToolContext` gets the conversation around the call.

    `examples`: things a user may say that call for it. `timeout_s`: for one call with all its
    retries. `needs_approval`: a person is asked before it runs. `settings`: a pydantic model of
    the tool's own table in assistant.toml; the instance is `context.settings`. `lead_in`: what
    may be said, in English, while it runs. `warm_up`: called before the first call, at a server's
    start; it loads what that call would wait for. Raises PluginError, which names file and line.
    """
    options = _Options(
        name, examples, side_effect, timeout_s, needs_approval, settings, lead_in, warm_up
    )
    frame = sys._getframe(1)
    place = (Path(frame.f_code.co_filename), frame.f_lineno)
    if function is None:
        return lambda function: _make(function, options, place)
    return _make(function, options, place)


@dataclass(frozen=True, slots=True)
class _Options:
    name: str
    examples: Sequence[str]
    side_effect: SideEffect
    timeout_s: float | None
    needs_approval: bool
    settings: type[BaseModel] | None
    lead_in: str
    warm_up: Callable[[], object] | None

    def problems(self) -> Iterator[str]:
        if not isinstance(self.examples, (list, tuple)) or not all(
            isinstance(example, str) and example.strip() for example in self.examples
        ):
            yield "examples must be a list of sentences"
        if self.side_effect not in get_args(SideEffect):
            yield f"side_effect must be none, idempotent or once, not {self.side_effect!r}"
        limit = self.timeout_s
        if limit is not None and not (isinstance(limit, (int, float)) and 0 < limit < math.inf):
            yield f"timeout_s must be a number of seconds above 0, not {limit!r}"
        if self.settings is not None and not _is_model(self.settings):
            yield "settings must be a class derived from pydantic.BaseModel"
        if not isinstance(self.lead_in, str):
            yield "lead_in must be a sentence"
        if self.warm_up is not None and not callable(self.warm_up):
            yield "warm_up must be a function without arguments"


def _is_model(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)


def _make(function: Any, options: _Options, place: tuple[Path, int]) -> Any:
    if not inspect.isfunction(function):
        what = "is above a tool already" if isinstance(function, Tool) else "goes above a function"
        return _refuse(function, place, [f"@tool {what}; options are given by name"])
    code = inspect.unwrap(function).__code__
    place = (Path(code.co_filename), code.co_firstlineno)
    name = options.name or function.__name__
    signature, problems = read_signature(function)
    problems = [*_function_problems(function, name), *options.problems(), *problems]
    if problems or signature is None:
        return _refuse(function, place, [f"tool {name}: {problem}" for problem in problems])
    made = _tool(function, name, signature, options, place)
    if (found := _harvest.get()) and found.path == made.path:
        found.tools.append(made)
    return made


def _tool(
    function: Callable[..., Any],
    name: str,
    signature: Signature,
    options: _Options,
    place: tuple[Path, int],
) -> Tool:
    description = inspect.getdoc(function) or ""
    return Tool(
        name=name,
        function=function,
        schema=ToolSchema(
            name, description, signature.json_schema, tuple(options.examples), options.lead_in
        ),
        signature=signature,
        side_effect=options.side_effect,
        timeout_s=options.timeout_s,
        needs_approval=options.needs_approval,
        settings_model=options.settings,
        path=place[0],
        line=place[1],
        warm_up=options.warm_up,
    )


def _function_problems(function: Callable[..., Any], name: Any) -> Iterator[str]:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        yield "the name must be 1 to 64 letters, digits or _, and not begin with a digit"
    if not (inspect.getdoc(function) or "").strip():
        yield "it has no docstring: the model reads there what the tool does"
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        yield "it yields; a tool returns one answer"


def _refuse(function: Any, place: tuple[Path, int], problems: list[str]) -> Any:
    errors = [PluginError(problem, path=place[0], line=place[1]) for problem in problems]
    found = _harvest.get()
    if found is None or found.path != place[0]:
        raise PluginError("; ".join(problems), path=place[0], line=place[1])
    found.problems.extend(errors)
    return cast(Any, function)
