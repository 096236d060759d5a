"""`assistant voices`: what clips there are, search by words or by a clip, add and remove."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table
from rich.text import Text

from assistant.assistant import open_library
from assistant.audio.decode import read_audio
from assistant.audio.voice import Voice, VoiceMatch
from assistant.config import load_settings
from assistant.errors import LibraryError
from assistant.library import AddReport, ClipInfo, VoiceLibrary, describe, measure
from assistant.library.checks import MAX_SECONDS
from assistant.library.sources import AUDIO_SUFFIXES

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Folder = Annotated[
    Path | None,
    typer.Option("--library", metavar="DIR", help="Folder of your clips, not that of the settings"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_voices(library: Folder = None, as_json: AsJson = False) -> None:
    """List all voices: your clips, the bundled ones and those of the checkpoint."""
    with _open(library) as opened:
        voices = sorted(opened, key=lambda voice: voice.id)
    if as_json:
        _print_json([_row(voice) for voice in voices])
    else:
        _print_table([(voice, "") for voice in voices], "")


@app.command()
def search(
    query: Annotated[str, typer.Argument(metavar="TEXT|WAV", help="Words, or an audio file.")],
    language: Annotated[str, typer.Option(help="Prefer this language, such as en or zh.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="The most voices to show.")] = 5,
    library: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Find voices by a description, or voices that are similar to a clip."""
    with _open(library) as voices:
        matches = _find(voices, query, language, limit)
    if as_json:
        _print_json([{**_row(match.voice), "score": match.score} for match in matches])
    elif matches:
        _print_table([(match.voice, f"{match.score:.2f}") for match in matches], "Score")
    else:
        typer.echo("No voice fits; `assistant voices list` shows all of them.")


@app.command()
def add(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="WAV...", help="Audio files, folders, or lists (.csv, .jsonl) of clips."
        ),
    ],
    description: Annotated[str, typer.Option(help="What the voice is like.")] = "",
    language: Annotated[str, typer.Option(help="BCP 47 tag, such as en-GB.")] = "",
    tags: Annotated[str, typer.Option(help="Words with commas between.")] = "",
    license_: Annotated[
        str, typer.Option("--license", help="License under which the clip may be used.")
    ] = "",
    consent: Annotated[str, typer.Option(help="How the speaker agreed to this use.")] = "",
    library: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Add voice clips of 1 to 60 seconds. The exit status is 2 when any was refused.

    A list has the columns wav and description, and may have id, tags, language, transcript,
    license and consent.
    """
    words = tuple(tag.strip() for tag in tags.split(",") if tag.strip())
    info = ClipInfo("", description, language, words, "", license_, consent)
    with _open(library) as voices:
        report = voices.add(sources, info)
    _print_report(report, as_json)
    if report.refused:
        raise typer.Exit(2)


@app.command()
def remove(
    voice_id: Annotated[str, typer.Argument(metavar="ID", help="The voice to remove.")],
    library: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Remove one of your clips, and its file."""
    with _open(library) as voices:
        voices.remove(voice_id)
    if as_json:
        _print_json({"removed": voice_id})
    else:
        typer.echo(f"removed {voice_id}")


@app.command("describe")
def describe_clip(
    clip: Annotated[Path, typer.Argument(metavar="WAV", help="An audio file.")],
    as_json: AsJson = False,
) -> None:
    """Measure the voice in a clip: pitch, pace, loudness, brightness."""
    traits = measure(read_audio(clip, max_seconds=MAX_SECONDS))
    words = {"description": describe(traits), "description_zh": describe(traits, "zh")}
    if as_json:
        _print_json({**words, **asdict(traits)})
        return
    typer.echo(words["description"])
    pitch = f"{traits.pitch_hz:.0f} Hz" if traits.pitch_hz else "none"
    typer.echo(f"median pitch  {pitch}, range {traits.pitch_range_semitones:.1f} semitones")
    typer.echo(f"pace          {traits.syllables_per_s:.1f} syllables a second")
    typer.echo(f"loudness      {traits.loudness_db:.0f} dB of full scale")
    typer.echo(f"brightness    {traits.brightness_hz:.0f} Hz (spectral centroid)")


@contextmanager
def _open(folder: Path | None) -> Iterator[VoiceLibrary]:
    """Yields the library, with a progress bar for what takes long."""
    settings = load_settings()
    if folder:
        library = settings.library.model_copy(update={"folder": folder})
        settings = settings.model_copy(update={"library": library})
    with progress_bar() as on_progress:
        yield open_library(settings, on_progress)


def _find(voices: VoiceLibrary, query: str, language: str, limit: int) -> Sequence[VoiceMatch]:
    path = Path(query)
    if path.suffix.lower() in AUDIO_SUFFIXES:
        return voices.search_like(read_audio(path, max_seconds=MAX_SECONDS), limit)
    if not query.strip():
        raise LibraryError("nothing to search for", hint="say what the voice should be like")
    return voices.search(query, language=language, limit=limit)


def _row(voice: Voice) -> dict[str, Any]:
    return {
        "id": voice.id,
        "description": voice.description,
        "language": voice.language,
        "measured": describe(voice.traits) if voice.traits else "",
        "path": str(voice.path),
    }


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False))


def _print_table(rows: Sequence[tuple[Voice, str]], last: str) -> None:
    table = Table("Id", "Language", "Description", "Measured", *([last] if last else []))
    for voice, value in rows:
        row = _row(voice)
        cells = [row["id"], row["language"], row["description"], row["measured"]]
        # Text, since a description may hold what looks like markup.
        table.add_row(*map(Text, [*cells, value][: len(table.columns)]))
    Console().print(table)


def _print_report(report: AddReport, as_json: bool) -> None:
    if as_json:
        refused = [asdict(refusal) for refusal in report.refused]
        _print_json({"added": [_row(voice) for voice in report.added], "refused": refused})
        return
    for voice in report.added:
        measured = f": {describe(voice.traits)}" if voice.traits else ""
        typer.echo(f"added {voice.id}{measured}")
    for refusal in report.refused:
        typer.echo(f"refused {refusal.source}: {refusal.reason}", err=True)


PATIENCE_S = 1.0
"""Work that is done sooner shows no bar, in seconds."""


@contextmanager
def progress_bar(patience_s: float = PATIENCE_S) -> Iterator[Callable[[str, int, int], None]]:
    """Yields an `on_progress` for VoiceLibrary: (title, items done, items in all)."""
    progress = Progress(console=Console(stderr=True), transient=True)
    tasks: dict[str, TaskID] = {}
    start = time.monotonic()

    def on_progress(title: str, done: int, total: int) -> None:
        if time.monotonic() - start < patience_s:
            return
        if title not in tasks:
            progress.start()
            tasks[title] = progress.add_task(title, total=total)
        progress.update(tasks[title], completed=done, total=total)

    try:
        yield on_progress
    finally:
        progress.stop()
