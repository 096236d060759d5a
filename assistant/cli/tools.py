"""`assistant tools`: which there are, whether a file of them is right, and one call by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import anyio
import typer
from pydantic_core import from_json, to_json
from rich.console import Console
from rich.table import Table
from rich.text import Text

from assistant.assistant import open_library
from assistant.cli.options import SettingsFile, ToolFolders
from assistant.cli.render import printable
from assistant.config import Settings, load_settings
from assistant.errors import AssistantError, PluginError, did_you_mean
from assistant.messages import ToolCall, ToolSchema
from assistant.plugins import (
    Caller,
    Dispatcher,
    LoadReport,
    Registry,
    Tool,
    ToolOutcome,
    check_tools,
    load_tools,
)
from assistant.plugins.arguments import takes

app = typer.Typer(help="The tools that the assistant may call.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


@app.command("list")
def list_tools(
    tools: ToolFolders = None, settings: SettingsFile = None, as_json: AsJson = False
) -> None:
    """Lists the tools, and says on the error output which files are broken."""
    report = _load(load_settings(settings), tools)
    if as_json:
        typer.echo(_json([_described(tool) for tool in report.registry]))
    else:
        Console().print(_table(report.registry))


@app.command()
def check(paths: Annotated[list[Path], typer.Argument(help="Files or folders of tools.")]) -> None:
    """Checks tool files: shows the tools in them and everything that is wrong.

    The exit status is 2 where something is.
    """
    report = check_tools(paths)
    for tool in report.registry:
        typer.echo(f"{tool.name}: {takes(tool.schema)}")
    _complain(report.problems)
    if report.problems:
        raise typer.Exit(2)


@app.command()
def run(
    name: Annotated[str, typer.Argument(help="The tool.")],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE...", help="Its arguments.")
    ] = None,
    tools: ToolFolders = None,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Calls one tool, as the model would, and prints its result.

    A value is read as JSON if it is JSON, and as text otherwise. Tools that need approval run
    without asking. The exit status is 1 if the tool returned no result.
    """
    loaded = load_settings(settings)
    registry = _load(loaded, tools).registry
    tool = registry.get(name)
    if tool is None:
        hint = did_you_mean(name, registry.names) or f"there are: {', '.join(registry.names)}"
        raise AssistantError(f"there is no tool {name!r}", hint=hint)
    values = dict(_pair(argument, tool.schema) for argument in arguments or ())
    call = ToolCall("call-1", name, to_json(values).decode())
    outcome = anyio.run(_call, registry, loaded, call)
    typer.echo(_json(_outcome_values(outcome)) if as_json else printable(outcome.text))
    if outcome.outcome != "ok":
        raise typer.Exit(1)


async def _call(registry: Registry, settings: Settings, call: ToolCall) -> ToolOutcome:
    caller = Caller(
        session_id="command line",
        turn_id="1",
        language=settings.language,
        voices=open_library(settings),
        approve=_yes,
        on_progress=lambda call, text: typer.echo(printable(text), err=True),
    )
    outcomes: list[ToolOutcome] = []
    await Dispatcher(registry, settings.plugins).run(call, caller, outcomes.append)
    return outcomes[0]


async def _yes(call: ToolCall, schema: ToolSchema) -> bool:
    return True


def _pair(argument: str, schema: ToolSchema) -> tuple[str, Any]:
    key, equals, value = argument.partition("=")
    if not equals:
        raise typer.BadParameter(f"{argument!r} is not of the form key=value")
    if schema.parameters["properties"].get(key, {}).get("type") == "string":
        return key, value  # "1e5" and "null" are strings there
    try:
        return key, from_json(value)
    except ValueError:
        return key, value


def _load(settings: Settings, folders: Sequence[Path] | None) -> LoadReport:
    report = load_tools(settings, extra_folders=folders or ())
    _complain(report.problems)
    return report


def _complain(problems: Iterable[PluginError]) -> None:
    for problem in problems:
        typer.echo(printable(str(problem)), err=True)


def _table(registry: Registry) -> Table:
    table = Table("Tool", "Arguments", "What it does", "Side effect", "File")
    for tool in registry:
        description = tool.schema.description.splitlines()[0]
        approval = ", needs approval" if tool.needs_approval else ""
        cells = (tool.name, takes(tool.schema), description, tool.side_effect + approval)
        table.add_row(*map(Text, cells), Text(tool.path.name))
    return table


def _described(tool: Tool) -> dict[str, Any]:
    return {
        "name": tool.name,
        "description": tool.schema.description,
        "parameters": tool.schema.parameters,
        "examples": tool.examples,
        "side_effect": tool.side_effect,
        "timeout_s": tool.timeout_s,
        "needs_approval": tool.needs_approval,
        "path": str(tool.path),
        "line": tool.line,
    }


def _outcome_values(outcome: ToolOutcome) -> dict[str, Any]:
    return {
        "name": outcome.call.name,
        "outcome": outcome.outcome,
        "text": outcome.text,
        "data": outcome.data,
        "voice": outcome.voice,
        "seconds": outcome.seconds,
        "attempts": outcome.attempts,
    }


def _json(value: Any) -> str:
    return to_json(value, indent=2, fallback=str).decode()
