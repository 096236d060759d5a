"""Events as a person reads them in a terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from assistant.events import (
    Event,
    Failed,
    TextDelta,
    ToolCallFinished,
    ToolCallStarted,
    ToolProgress,
    Transcript,
    TurnEnded,
    VoiceChanged,
)

_STYLES = {"heard": "cyan", "tool": "yellow", "voice": "magenta", "failed": "red", "saved": "green"}


def printable(text: str) -> str:
    """The text without control characters: a web page's text may not steer the terminal."""
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text
    )


class Renderer:
    """Prints each event as it comes. Text of others is shown as it is: no markup in it counts."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._in_answer = False

    def event(self, event: Event) -> None:
        match event:
            case Transcript():
                self._line("heard", event.text or "(nothing)")
            case TextDelta():
                self._answer(event.text)
            case ToolCallStarted():
                self._line("tool", f"{event.name} {event.arguments}")
            case ToolProgress():
                self._line("tool", f"{event.name}: {event.text}")
            case ToolCallFinished():
                outcome = f"{event.name}: {event.outcome} in {event.seconds:.2f} s"
                self._line("result", f"{outcome}: {event.result}")
            case VoiceChanged():
                self._line("voice", f"{event.voice} {event.description}".strip())
            case Failed():
                self._line("failed", event.message)
            case TurnEnded():
                self._ended(event)

    def saved(self, path: Path, seconds: float) -> None:
        self._line("saved", f"{path} ({seconds:.1f} seconds of speech)")

    def _answer(self, text: str) -> None:
        if not self._in_answer:
            self._console.print(Text("answer  ", style="bold green"), end="")
            text = text.lstrip()
        self._in_answer = True
        self._console.print(Text(printable(text)), end="", soft_wrap=True)

    def _line(self, label: str, text: str) -> None:
        self._end_answer()
        style = _STYLES.get(label, "dim")
        line = Text.assemble((f"{label:<8}", f"bold {style}"), printable(text))
        self._console.print(line, soft_wrap=True)

    def _end_answer(self) -> None:
        if self._in_answer:
            self._console.print()
        self._in_answer = False

    def _ended(self, event: TurnEnded) -> None:
        self._end_answer()
        latency = event.latency
        parts = [("first text", latency.first_text), ("first audio", latency.first_audio)]
        times = [f"{name} {value:.2f} s" for name, value in parts if value is not None]
        times += [f"tools {latency.tools:.2f} s", f"total {latency.total:.2f} s"]
        self._line("time", ", ".join(times))
