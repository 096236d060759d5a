"""The `assistant` command. Exit status: 0 done, 1 the turn or tool failed, 2 a wrong call."""

from __future__ import annotations

import os
import sys

import typer
from rich.console import Console

from assistant.cli import ask, chat, doctor, keys, say, serve, tools, voices
from assistant.errors import AssistantError

app = typer.Typer(
    name="assistant",
    help="Ask by voice or text; tools run; the answer is spoken.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
app.command("ask")(ask.ask)
app.command("chat")(chat.chat)
app.command("say")(say.say)
app.add_typer(tools.app, name="tools", help="List, check and run tools.")
app.add_typer(voices.app, name="voices", help="List, search, add and remove voice clips.")
app.command("serve")(serve.serve)
app.add_typer(keys.app, name="keys", help="Make, list and remove API keys of the server.")
app.command("doctor")(doctor.doctor)


def main() -> None:
    """Runs the command line; errors that are meant for people become one line."""
    try:
        app()
    except AssistantError as error:
        Console(stderr=True).print(f"assistant: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(2)
    except BrokenPipeError:
        # The reader of our output is closed; nothing may be written at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
