"""Derives the schema of a tool's arguments from a typed function.

Each parameter becomes a field of a pydantic model, which provides the JSON schema and validates
what the language model sends. The fields have neutral names (`p0`, `p1`, ...) and the parameter's
name as alias, so that a parameter may be called `json`, `copy` or `_x`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind
from pydantic_core import SchemaError

from assistant.plugins.context import ToolContext


@dataclass(frozen=True, slots=True)
class Signature:
    """The parameters of a tool: those the model fills, and those that get the ToolContext."""

    model: type[BaseModel]
    names: dict[str, str]  # field of the model -> parameter of the function
    contexts: tuple[str, ...]
    json_schema: dict[str, Any]

    def keywords(self, values: BaseModel, context: ToolContext) -> dict[str, Any]:
        """Returns the keyword arguments for the function."""
        given = {name: getattr(values, field) for field, name in self.names.items()}
        return given | dict.fromkeys(self.contexts, context)


def read_signature(function: Callable[..., Any]) -> tuple[Signature | None, list[str]]:
    """The signature, or None and everything that is wrong with it."""
    try:
        parameters = inspect.signature(function, eval_str=True).parameters.values()
    except NameError as error:
        return None, [f"an annotation can't be resolved: {error}; import it at the file's top"]
    except Exception as error:  # noqa: BLE001  (an annotation in quotes is any code of its author)
        return None, [f"an annotation can't be resolved: {error}"]
    contexts = tuple(p.name for p in parameters if _is_context(p.annotation))
    ours = [p for p in parameters if p.name not in contexts]
    problems = [problem for p in ours if (problem := _problem(p))]
    return (None, problems) if problems else (_signature(ours, contexts), [])


def _signature(parameters: list[inspect.Parameter], contexts: tuple[str, ...]) -> Signature:
    names = {f"p{number}": p.name for number, p in enumerate(parameters)}
    fields: Any = {field: _field(p) for field, p in zip(names, parameters, strict=True)}
    # A model may write a number for a string: the year 2024 as a search.
    config = ConfigDict(extra="forbid", validate_default=True, coerce_numbers_to_str=True)
    model = create_model("Arguments", __config__=config, **fields)
    return Signature(model, names, contexts, _compact_schema(model))


def _field(parameter: inspect.Parameter) -> tuple[Any, Any]:
    options: dict[str, Any] = {"alias": parameter.name}
    if text := " ".join(m for m in _metadata(parameter.annotation) if isinstance(m, str)):
        options["description"] = text
    default = ... if parameter.default is parameter.empty else parameter.default
    return parameter.annotation, Field(default, **options)


def _metadata(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()


def _is_context(annotation: Any) -> bool:
    bare = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    return bare is ToolContext


def _problem(parameter: inspect.Parameter) -> str:
    name = parameter.name
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
        return f"{stars}{name} can't be described to the model: name each argument"
    if parameter.kind is parameter.POSITIONAL_ONLY:
        return f"argument {name!r} is positional-only, but arguments come by name: remove the `/`"
    if parameter.annotation is parameter.empty:
        return f"argument {name!r} has no type: write `{name}: str`, for example"
    if ToolContext in get_args(parameter.annotation):
        return f"argument {name!r}: annotate it `ToolContext` alone; it is always given"
    return _type_problem(parameter) or _default_problem(parameter)


def _type_problem(parameter: inspect.Parameter) -> str:
    try:
        TypeAdapter(parameter.annotation).json_schema(schema_generator=_Generator)
    except (PydanticUserError, SchemaError, NameError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        return f"argument {parameter.name!r}: its type can't be written as JSON: {reason}"
    return ""


def _default_problem(parameter: inspect.Parameter) -> str:
    if parameter.default is parameter.empty:
        return ""
    try:
        TypeAdapter(parameter.annotation).validate_python(parameter.default)
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"].lower()
        hint = "; add `| None` to the type" if parameter.default is None else ""
        return (
            f"argument {parameter.name!r}: the default {parameter.default!r} does not fit its "
            f"type: {reason}{hint}"
        )
    return ""


class _Generator(GenerateJsonSchema):
    """Leaves a default out of the schema where JSON can't hold it, instead of warning."""

    ignored_warning_kinds: ClassVar[set[JsonSchemaWarningKind]] = {  # type: ignore[misc]
        "skipped-choice",
        "non-serializable-default",
    }


def _compact_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema without what only costs tokens: titles, references, nulls for "not given"."""
    schema = model.model_json_schema(schema_generator=_Generator)
    definitions = schema.pop("$defs", {})
    compact = _Compactor(definitions).schema(schema)
    compact.pop("additionalProperties", None)
    compact.setdefault("properties", {})
    if "$ref" in str(compact):  # a recursive type can't be inlined
        compact["$defs"] = {
            name: _Compactor(definitions, (name,)).schema(body)
            for name, body in definitions.items()
        }
    return compact


class _Compactor:
    def __init__(self, definitions: dict[str, Any], open_names: tuple[str, ...] = ()) -> None:
        self.definitions = definitions
        self.open_names = open_names  # definitions that are being inlined

    def schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        schema = {key: value for key, value in schema.items() if key != "title"}
        name = schema.get("$ref", "").removeprefix("#/$defs/")
        if name and name not in self.open_names:
            inner = _Compactor(self.definitions, (*self.open_names, name))
            schema.pop("$ref")
            return {**inner.schema(self.definitions[name]), **schema}
        return _without_null({key: self.value(key, value) for key, value in schema.items()})

    def value(self, key: str, value: Any) -> Any:
        if key in ("properties", "patternProperties"):
            return {name: self.schema(body) for name, body in value.items()}
        if key in ("default", "const", "enum", "examples", "required", "type"):
            return value  # data, not schemas
        if isinstance(value, list):
            return [self.schema(item) if isinstance(item, dict) else item for item in value]
        return self.schema(value) if isinstance(value, dict) else value


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """`int | None = None` is an integer that may be left out."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) != 1 or schema.get("default", ...) is not None:
        return schema
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    return {**kinds[0], **rest}
