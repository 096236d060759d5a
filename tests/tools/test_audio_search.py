from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from assistant import ToolContext, ToolError, ToolResult
from assistant.audio.voice import Voice, VoiceMatch
from assistant.config import PluginSettings, Settings, bundled
from assistant.errors import LibraryError, SettingsError
from assistant.library import VoiceLibrary
from assistant.plugins import Tool, load_tools

DEEP_MEN = {"giant", "kal", "rms", "ming", "robot"}
WOMEN = {"belinda", "grandma", "mei", "slt"}


@pytest.fixture(scope="module")
def tool() -> Tool:
    found = load_tools(Settings(plugins=PluginSettings(entry_points=False))).registry
    (one,) = (tool for tool in found if tool.name == "audio_search")
    return one


@pytest.fixture
def context(tmp_path: Path, tool: Tool) -> ToolContext:
    voices = VoiceLibrary(tmp_path / "voices", bundled=bundled("voices"))
    settings = tool.configured().settings
    return ToolContext("session", "turn", "call", voices=voices, settings=settings)


def search(tool: Tool, context: ToolContext, description: str, language: str = "") -> ToolResult:
    result = tool(description, context, language)
    assert isinstance(result, ToolResult)
    return result


@pytest.mark.parametrize(
    ("description", "fitting"),
    [
        ("a deep male voice", DEEP_MEN),
        ("please speak in a deep male voice", DEEP_MEN),
        ("female", WOMEN),
        ("robot", {"robot"}),
        ("低沉的男声", DEEP_MEN),
        ("女声", WOMEN),
        ("an old woman", {"grandma"}),
    ],
)
def test_a_description_changes_the_voice_to_one_that_fits(
    tool: Tool, context: ToolContext, description: str, fitting: set[str]
) -> None:
    result = search(tool, context, description)
    assert result.voice in fitting
    assert result.voice in result.text
    assert result.data["voice"] == result.voice
    scores = [candidate["score"] for candidate in result.data["candidates"]]
    assert scores == sorted(scores, reverse=True)
    assert 1 < len(scores) <= 5


@pytest.mark.parametrize(
    "description",
    [
        "normal voice",
        "go back to your normal voice",
        "your own voice",
        "the usual one",
        "Please use your default voice again.",
        "default",
        "恢复原来的声音",
        "请换回正常的声音",
        "变回你自己的声音吧",
    ],
)
def test_a_request_for_the_usual_voice_restores_the_default_voice(
    tool: Tool, context: ToolContext, description: str
) -> None:
    without_library = dataclasses.replace(context, voices=None)
    assert search(tool, without_library, description).voice == "default"


@pytest.mark.parametrize("description", ["a normal man", "go back to the female voice"])
def test_a_description_that_contains_such_a_word_is_still_searched(
    tool: Tool, context: ToolContext, description: str
) -> None:
    assert search(tool, context, description).voice not in ("default", None)


def test_a_language_is_preferred(tool: Tool, context: ToolContext) -> None:
    assert search(tool, context, "a man", "zh").voice == "ming"


@pytest.mark.parametrize(
    ("description", "language", "expected"),
    [
        ("   ", "", "not said"),
        ("Donald Duck underwater", "", "no voice in the library that fits"),
        ("a man", "klingonese", "can't be searched: language 'klingonese'"),
    ],
)
def test_an_unusable_request_is_reported_in_plain_words(
    tool: Tool, context: ToolContext, description: str, language: str, expected: str
) -> None:
    with pytest.raises(ToolError, match=expected):
        tool(description, context, language)


def test_the_voice_cannot_be_changed_without_a_library(tool: Tool, context: ToolContext) -> None:
    with pytest.raises(ToolError, match="no voice library"):
        tool("a man", dataclasses.replace(context, voices=None))


class Broken:
    def search(self, text: str, *, language: str = "", limit: int = 5) -> Sequence[VoiceMatch]:
        raise LibraryError("voices.toml: can't be read")

    def get(self, voice_id: str) -> Voice:
        raise LibraryError("no")


def test_a_broken_library_is_reported_in_plain_words(tool: Tool, context: ToolContext) -> None:
    with pytest.raises(ToolError, match=r"can't be searched: voices\.toml"):
        tool("a man", dataclasses.replace(context, voices=Broken()))


def test_the_settings_set_the_minimum_score_of_a_voice(tool: Tool, context: ToolContext) -> None:
    strict = tool.configured({"min_score": 0.99, "candidates": 1}).settings
    with pytest.raises(ToolError, match="The nearest would be"):
        tool("deep male voice", dataclasses.replace(context, settings=strict))
    with pytest.raises(SettingsError, match="did you mean 'min_score'"):
        tool.configured({"minscore": 0.5})
