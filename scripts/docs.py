"""Writes the generated parts of the documents: help texts, tables of tools, events and settings.

    python scripts/docs.py           writes them
    python scripts/docs.py --check   exit status 1 if they are not up to date

A part stands between `<!-- generated: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import get_args

os.environ.update(COLUMNS="100", TERM="dumb", NO_COLOR="1")

import click
import typer
from pydantic import BaseModel

from assistant import events
from assistant.cli import app
from assistant.config import Settings
from assistant.plugins import load_tools

ROOT = Path(__file__).parent.parent
EXTENSIONS = ROOT / "examples" / "extensions"
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines
    )


def one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def tools() -> str:
    def rows() -> Iterator[tuple[str, ...]]:
        for tool in load_tools(Settings()).registry:
            arguments = ", ".join(f"`{name}`" for name in tool.schema.parameters["properties"])
            example = tool.schema.examples[0] if tool.schema.examples else ""
            settings = tool.settings_model.model_fields if tool.settings_model else ()
            keys = ", ".join(f"`{key}`" for key in settings)
            description = one_line(tool.schema.description).split(". ")[0].rstrip(".") + "."
            yield f"`{tool.name}`", arguments, description, f"“{example}”", keys

    head = ("tool", "arguments", "what it does", "say", "settings (`[tools.NAME]`)")
    return table(head, rows())


def event_rows() -> Iterator[tuple[str, ...]]:
    for kind in get_args(events.Event):
        fields = [field.name for field in dataclasses.fields(kind)]
        if kind is events.AudioChunk:
            fields = ["start", "seconds", "samples (with --json-audio)"]
        yield f"`{kind.type}`", ", ".join(fields), one_line(inspect.getdoc(kind))


def settings_rows(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from settings_rows(annotation, f"{prefix}{name}.")
            continue
        default = "" if field.default_factory else f"`{_default(field.default)}`"
        key = f"{prefix}{name}"
        variable = f"ASSISTANT_{key.replace('.', '__').upper()}"
        yield f"`{key}`", default, one_line(field.description), f"`{variable}`"


def _default(value: object) -> str:
    return (
        {None: "none", (): "none", True: "true", False: "false"}.get(value, f"{value}")
        if isinstance(value, (bool, tuple, type(None)))
        else (repr(value) if isinstance(value, str) else str(value))
        if value != {}
        else "none"
    )


def helps() -> str:
    command = typer.main.get_command(app)
    return "".join(
        f"```\n$ {path} --help\n{text}\n```\n\n" for path, text in _helps(command, "assistant")
    )


def _helps(command: click.Command, path: str) -> Iterator[tuple[str, str]]:
    with click.Context(
        command, info_name=path, terminal_width=100, max_content_width=100
    ) as context:
        yield path, command.get_help(context).strip()
    for name, below in getattr(command, "commands", {}).items():
        yield from _helps(below, f"{path} {name}")


def example(file: Path) -> str:
    return f"```python\n{file.read_text('utf-8')}```\n"


PARTS: dict[str, Callable[[], str]] = {
    "tools": tools,
    "events": lambda: table(("`type`", "fields", "meaning"), event_rows()),
    "settings": lambda: table(("key", "default", "meaning", "variable"), settings_rows(Settings)),
    "help": helps,
}
PARTS |= {file.stem: partial(example, file) for file in EXTENSIONS.glob("*.py")}


def render(text: str) -> str:
    """Returns the text with every part that this script knows generated again."""

    def part(match: re.Match[str]) -> str:
        make = PARTS.get(match[2])
        return f"{match[1]}{make()}{match[3]}" if make else match[0]

    return PART.sub(part, text)


if __name__ == "__main__":
    stale = [
        path for path in DOCUMENTS if render(path.read_text("utf-8")) != path.read_text("utf-8")
    ]
    if "--check" in sys.argv:
        sys.exit(bool(stale))
    for path in stale:
        path.write_text(render(path.read_text("utf-8")), "utf-8")
