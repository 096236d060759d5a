"""A response that was stopped is truncated in the history to what was played of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant import Assistant, Session, Settings, tool
from assistant.config import LibrarySettings
from assistant.errors import AssistantError
from assistant.messages import AssistantMessage
from assistant.testing import ScriptedEngine
from assistant.testing.scripted import SECONDS_A_CHARACTER, Act
from assistant.turn.truncation import first_words

pytestmark = pytest.mark.anyio

CALL = "<tool_call>function\nlook\n{}</tool_call>"


@tool(side_effect="none")
async def look() -> str:
    """Looks something up."""
    return "Seen."


async def after(folder: Path, *steps: list[Act], speak: bool = True) -> tuple[Session, list[str]]:
    """A session in which one turn was had, and the texts of the assistant in its history."""
    settings = Settings(library=LibrarySettings(folder=folder))
    async with Assistant(settings, engine=ScriptedEngine(*steps), tools=[look]) as assistant:
        session = assistant.session(speak=speak)
        async for _ in session.ask("Hi"):
            pass
    return session, texts(session)


def texts(session: Session) -> list[str]:
    return [m.text for m in session.history if isinstance(m, AssistantMessage)]


def spoken_s(text: str) -> float:
    return len(text) * SECONDS_A_CHARACTER


@pytest.mark.parametrize(
    ("share", "played"),
    [
        (0.0, ""),
        (0.2, "One"),
        (0.5, "One two"),
        (0.99, "One two three"),
        (1.0, "One two three four"),
        (2.0, "One two three four"),
    ],
)
def test_only_whole_words_count(share: float, played: str) -> None:
    assert first_words("One two three four", share) == played


def test_every_chinese_character_is_a_word() -> None:
    assert first_words("今天天气很好", 0.5) == "今天天"


async def test_a_lead_in_that_was_played_stays_with_its_calls(tmp_path: Path) -> None:
    session, whole = await after(tmp_path, ["Let me look. ", CALL], ["I saw it there."])
    assert whole == ["Let me look. ", "I saw it there."]
    lead_in = spoken_s("Let me look. ")
    assert session.truncate(lead_in + spoken_s("I saw i")) == "Let me look.  I saw"
    assert texts(session) == ["Let me look. ", "I saw"]
    assert session.truncate(spoken_s("Let me")) == "Let me"
    assert texts(session) == ["Let me", ""]
    calls = [m.calls for m in session.history if isinstance(m, AssistantMessage)]
    assert len(calls[0]) == 1


async def test_a_truncation_may_be_corrected(tmp_path: Path) -> None:
    session, _ = await after(tmp_path, ["One two three four."])
    session.truncate(0.0)
    assert texts(session) == [""]
    session.truncate(60.0)
    assert texts(session) == ["One two three four."]


async def test_text_that_was_not_spoken_is_not_truncated(tmp_path: Path) -> None:
    session, whole = await after(tmp_path, ["One two three four."], speak=False)
    session.truncate(0.0)
    assert texts(session) == whole


async def test_an_unknown_turn_is_not_truncated(tmp_path: Path) -> None:
    session, whole = await after(tmp_path, ["One two three four."])
    assert session.truncate(0.0, "turn_99") is None
    assert texts(session) == whole


async def test_a_dropped_turn_leaves_nothing(tmp_path: Path) -> None:
    session, _ = await after(tmp_path, ["Let me look. ", CALL], ["I saw it there."])
    with pytest.raises(AssistantError, match="is not the last one"):
        session.drop("turn_7")
    session.drop("turn_1")
    assert session.history == []
    with pytest.raises(AssistantError, match="is not the last one"):
        session.drop("turn_1")
