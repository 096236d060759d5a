"""Engines of installed packages are found by their entry point, and their faults are one line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from assistant import ask
from assistant.config import Settings
from assistant.engines import create_engine, engine_names
from assistant.errors import EngineError

PARROT = """
from assistant.testing import ScriptedEngine

def create(settings):
    return ScriptedEngine([settings.voice + " says hello."])
"""
Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a package with the engine `parrot`: its source, and the entry point's value."""

    def installed(source: str, value: str = "parrot_engine:create") -> None:
        about = tmp_path / "parrot_engine-1.0.dist-info"
        about.mkdir()
        (tmp_path / "parrot_engine.py").write_text(source, "utf-8")
        (about / "METADATA").write_text("Name: parrot-engine\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[assistant.engines]\nparrot = {value}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "parrot_engine", raising=False)

    return installed


def test_a_package_adds_an_engine_that_the_settings_can_name(
    install: Install, settings: Settings
) -> None:
    install(PARROT, "parrot_engine:create")
    assert engine_names() == ("embedded", "parrot", "step-audio-2")
    answer = ask("Hello?", settings=settings.model_copy(update={"engine": "parrot"}))
    assert answer.text == "default says hello."


def test_an_unknown_engine_names_the_nearest_one(install: Install) -> None:
    install(PARROT, "parrot_engine:create")
    with pytest.raises(EngineError, match="no engine is called 'parot'") as error:
        create_engine(Settings(engine="parot"))
    assert error.value.hint == "did you mean 'parrot'?"
    with pytest.raises(EngineError) as error:
        create_engine(Settings(engine="gpt"))
    assert error.value.hint == "known: embedded, parrot, step-audio-2"


@pytest.mark.parametrize(
    ("source", "value", "reason"),
    [
        ("import no_such_module", "parrot_engine:create", "ModuleNotFoundError"),
        (PARROT, "parrot_engine:make", "AttributeError"),
        ("def create(settings): raise ValueError('no license')", "parrot_engine:create", "license"),
        ("create = 5", "parrot_engine:create", "TypeError"),
        ("raise SystemExit('no license')", "parrot_engine:create", "SystemExit: no license"),
        ("raise ImportError('one line\\nand another')", "parrot_engine:create", "one line"),
    ],
)
def test_an_engine_that_cannot_start_is_one_line_with_its_package(
    install: Install, source: str, value: str, reason: str
) -> None:
    install(source, value)
    with pytest.raises(EngineError, match="parrot") as error:
        create_engine(Settings(engine="parrot"))
    assert reason in str(error.value)
    assert "parrot-engine" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_package_cannot_replace_a_built_in_engine(install: Install, tmp_path: Path) -> None:
    install(PARROT, "parrot_engine:create")
    entry = tmp_path / "parrot_engine-1.0.dist-info" / "entry_points.txt"
    entry.write_text("[assistant.engines]\nembedded = parrot_engine:create\n")
    assert create_engine(Settings()).name == "embedded"


def test_two_packages_with_an_engine_of_the_same_name_are_an_error(
    install: Install, tmp_path: Path
) -> None:
    install(PARROT, "parrot_engine:create")
    other = tmp_path / "cockatoo-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Name: cockatoo\nVersion: 1.0\n")
    (other / "entry_points.txt").write_text("[assistant.engines]\nparrot = cockatoo:create\n")
    with pytest.raises(EngineError, match="several engines are called 'parrot'") as error:
        create_engine(Settings(engine="parrot"))
    assert error.value.hint == "they are in cockatoo and parrot-engine"
