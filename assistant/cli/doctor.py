"""`assistant doctor`: what is installed, what is missing, and the line that gets it."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Annotated

import typer
from packaging.requirements import Requirement

from assistant.assistant import open_library
from assistant.cli.options import SettingsFile
from assistant.cli.player import PLAYERS, find_player
from assistant.config import Settings, load_settings
from assistant.errors import AssistantError
from assistant.plugins import load_tools

PACKAGE = "step-voice-assistant"


@dataclass(frozen=True)
class Finding:
    part: str
    ok: bool
    detail: str
    remedy: str = ""
    needed: bool = True  # False: an optional extra


def doctor(
    settings: SettingsFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say what is installed, what is missing, and how to get it."""
    findings = examine(load_settings(settings))
    if as_json:
        sys.stdout.write(json.dumps([asdict(finding) for finding in findings]) + "\n")
    else:
        _print(findings)
    if any(finding.needed and not finding.ok for finding in findings):
        raise typer.Exit(1)


def examine(settings: Settings) -> list[Finding]:
    """Everything that an assistant with these settings needs or could use."""
    python = Finding("python", sys.version_info >= (3, 10), platform.python_version())
    return [
        python,
        *_packages(),
        _voices(settings),
        *_tools(settings),
        _player(),
    ]


def _packages() -> list[Finding]:
    """One finding for the base install, one for each extra; both read from our own metadata."""
    missing: dict[str, list[str]] = {"": []}
    present: dict[str, list[str]] = {"": []}
    for line in _requirements():
        requirement = Requirement(line)
        extra = _extra_of(requirement)
        if extra == "dev" or not _applies(requirement, extra):
            continue
        missing.setdefault(extra, [])
        present.setdefault(extra, [])
        try:
            present[extra].append(f"{requirement.name} {version(requirement.name)}")
        except PackageNotFoundError:
            missing[extra].append(requirement.name)
    return [_package(extra, present[extra], missing[extra]) for extra in missing]


def _requirements() -> list[str]:
    try:
        return requires(PACKAGE) or []
    except PackageNotFoundError:  # run from the sources without an install
        return []


def _package(extra: str, present: list[str], missing: list[str]) -> Finding:
    target = f"{PACKAGE}[{extra}]" if extra else PACKAGE
    detail = f"missing: {', '.join(missing)}" if missing else ", ".join(present)
    remedy = f"pip install '{target}'" if missing else ""
    part = f"extra {extra}" if extra else "packages"
    return Finding(part, not missing, detail, remedy, needed=not extra)


def _extra_of(requirement: Requirement) -> str:
    text = str(requirement.marker or "")
    return text.split("extra ==")[1].strip(" \"'()") if "extra ==" in text else ""


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _voices(settings: Settings) -> Finding:
    try:
        count = len(open_library(settings))
    except AssistantError as error:
        return Finding("voices", False, str(error), "assistant voices list")
    return Finding("voices", True, f"{count} clips, own ones in {settings.library.folder}")


def _tools(settings: Settings) -> list[Finding]:
    report = load_tools(settings)
    names = ", ".join(tool.name for tool in report.registry)
    remedy = "mend the file; `assistant tools check PATH` shows every problem"
    return [
        Finding("tools", True, names),
        *(Finding("tools", False, str(problem), remedy) for problem in report.problems),
    ]


def _player() -> Finding:
    player = find_player()
    if player is not None:
        return Finding("player", True, player[0], needed=False)
    known = ", ".join(command[0] for command in PLAYERS)
    return Finding("player", False, "chat writes files", f"install one of {known}", needed=False)


def _print(findings: list[Finding]) -> None:
    width = max(len(finding.part) for finding in findings)
    for finding in findings:
        mark = "ok" if finding.ok else ("missing" if finding.needed else "-")
        remedy = f": {finding.remedy}" if finding.remedy else ""
        typer.echo(f"{mark:8}{finding.part:{width}}  {finding.detail}{remedy}")
