"""`assistant keys`: the API keys of the server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.console import Console
from rich.table import Table

from assistant.errors import SettingsError, did_you_mean
from assistant.server.auth.key_file import add_key, read_keys, remove_key
from assistant.server.auth.keys import ORDINARY, SCOPES, Scope

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

KeyFilePath = Annotated[
    Path, typer.Option("--file", metavar="FILE", help="The key file; give it to `assistant serve`.")
]
DEFAULT = Path("keys.toml")


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is.")],
    file: KeyFilePath = DEFAULT,
    scope: Annotated[
        list[str] | None, typer.Option(metavar="SCOPE", help=f"Of: {', '.join(SCOPES)}.")
    ] = None,
    tool: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this tool. Repeatable.")
    ] = None,
    voice: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only this voice. Repeatable.")
    ] = None,
    requests_per_minute: Annotated[int | None, typer.Option(min=1)] = None,
    concurrent_turns: Annotated[int | None, typer.Option(min=1)] = None,
) -> None:
    """Make a key and print it, once: the file holds only a hash of it."""
    token = add_key(
        file,
        name=name,
        scopes=_scopes(scope) if scope else ORDINARY,
        tools=tool,
        voices=voice,
        requests_per_minute=requests_per_minute,
        concurrent_turns=concurrent_turns,
    )
    typer.echo(token)


def _scopes(words: list[str]) -> list[Scope]:
    for word in words:
        if word not in SCOPES:
            hint = did_you_mean(word, SCOPES) or f"known: {', '.join(SCOPES)}"
            raise SettingsError(f"no scope is called {word!r}", hint=hint)
    return cast(list[Scope], words)


@app.command("list")
def list_keys(
    file: KeyFilePath = DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the keys, without the secrets."""
    keys = [key.model_dump(mode="json", exclude={"sha256"}) for key in read_keys(file)]
    if as_json:
        typer.echo(json.dumps(keys))
        return
    table = Table("ID", "Name", "Scopes", box=None, pad_edge=False)
    for key in keys:
        table.add_row(key["id"], key["name"], ", ".join(sorted(key["scopes"])))
    Console().print(table)


@app.command()
def remove(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `assistant keys list` says.")],
    file: KeyFilePath = DEFAULT,
) -> None:
    """Remove a key; a running server refuses it from the next request on."""
    remove_key(file, key_id)
    typer.echo(f"removed {key_id}")
