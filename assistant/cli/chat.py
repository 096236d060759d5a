"""`assistant chat`: a conversation in the terminal."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import anyio
import typer
from rich.console import Console

from assistant.assistant import Assistant
from assistant.audio.encode import write_wav
from assistant.audio.samples import OUTPUT_RATE, Pcm16
from assistant.cli.options import (
    EngineName,
    Language,
    ModelPath,
    SettingsFile,
    ToolFolders,
    VoiceId,
    settings_from,
)
from assistant.cli.player import find_player, play
from assistant.cli.render import Renderer
from assistant.config import Settings
from assistant.errors import AssistantError
from assistant.events import AudioChunk
from assistant.plugins.threads import Threads
from assistant.session import Session

HELP = (
    "Type a question. /audio FILE asks with a recording, /voice ID changes the voice, "
    "/quit ends. Ctrl-C stops an answer, or else the conversation."
)


def chat(
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the answers to this folder instead of playing."),
    ] = None,
    voice: VoiceId = None,
    tools: ToolFolders = None,
    engine: EngineName = None,
    model: ModelPath = None,
    language: Language = None,
    settings: SettingsFile = None,
) -> None:
    """Hold a conversation in the terminal."""
    if out is not None and not out.is_dir():
        raise AssistantError(f"{out}: there is no such folder")
    values = settings_from(
        settings, tools, engine=engine, model=model, voice=voice, language=language
    )
    anyio.run(_converse, values, tools, out)


async def _converse(settings: Settings, folders: list[Path] | None, out: Path | None) -> None:
    console = Console()
    async with Assistant(settings, strict_folders=folders or ()) as assistant:
        session = assistant.session()
        console.print(HELP, style="dim")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_obey_ctrl_c, session, tasks.cancel_scope)
            await ChatLoop(session, console, out).run()
            tasks.cancel_scope.cancel()


async def _obey_ctrl_c(session: Session, conversation: anyio.CancelScope) -> None:
    """Stops the response that is generated, or else the conversation."""
    with anyio.open_signal_receiver(signal.SIGINT) as signals:
        async for _ in signals:
            if not await session.cancel():
                conversation.cancel()


def _read_line() -> str | None:
    try:
        return input("you     ").strip()
    except EOFError:
        return None


class ChatLoop:
    """A session at a terminal: commands, turns that Ctrl-C stops, audio that is played or saved."""

    def __init__(self, session: Session, console: Console, out: Path | None) -> None:
        self._session = session
        self._console = console
        self._player = None if out is not None else find_player()
        self._folder = out or Path()
        self._number = 0

    async def run(self) -> None:
        """Turn by turn, to the end of the input or /quit."""
        # A thread that is not a daemon would block the exit until one more line is typed.
        threads = Threads(1)
        while (line := await threads.call("input", _read_line, lambda: None)) is not None:
            if line in ("/quit", "/exit"):
                return
            if line:
                await self.say(line)

    async def say(self, line: str) -> None:
        """One line of the user. A mistake in it is told, and the conversation goes on."""
        try:
            if line.startswith("/voice "):
                voice = self._session.find_voice(line.split(maxsplit=1)[1])
                self._session.switch_voice(voice)
            elif line.startswith("/audio "):
                await self._turn(Path(line.split(maxsplit=1)[1]))
            elif line.startswith("/"):
                self._console.print(HELP, style="dim")
            else:
                await self._turn(line)
        except AssistantError as error:
            self._console.print(str(error), style="red", markup=False, soft_wrap=True)

    async def _turn(self, question: str | Path) -> None:
        renderer = Renderer(self._console)
        pieces: list[Pcm16] = []
        async for event in self._session.ask(question):
            renderer.event(event)
            if isinstance(event, AudioChunk):
                pieces.append(event.samples)
        if pieces:
            await self._play_or_save(pieces, renderer)

    async def _play_or_save(self, pieces: list[Pcm16], renderer: Renderer) -> None:
        if self._player is not None:
            await play(self._player, pieces)
            return
        self._number += 1
        path = self._folder / f"answer-{self._number:03}.wav"
        write_wav(path, pieces)
        renderer.saved(path, sum(map(len, pieces)) / OUTPUT_RATE)
