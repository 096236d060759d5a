"""Finds a voice by a description, and has the assistant speak in it from here on."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from assistant import AssistantError, ToolContext, ToolError, ToolResult, tool

NORMAL_VOICE = "default"
MAX_CHARS = 300  # of a description
# A request for the normal voice has these words and no others but fillers: "a normal
# man" and "go back to the female voice" ask for something else.
_NORMAL = re.compile(
    r"(normal|default|usual|original|standard|regular|own)( (voice|one|timbre))?"
    r"|(原来|正常|默认|本来|平时|原本|你自己|原)的?(声音|音色|嗓音|声)?"
)
_FILLER = re.compile(
    r"\b(please|now|again|go|change|switch|turn|speak|talk|get|come|back|return|restore|reset|use"
    r"|to|in|into|with|the|a|an|your|you|my)\b"
    r"|请|现在|再|切换|换|变|改|恢复|回到|回|用|成|到|说话|讲话|说|讲|吧|(?<![原本])来|一下|你的"
)


class Settings(BaseModel):
    """The table `tools.audio_search`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_score: float = Field(default=0.45, ge=0.0, le=1.0)
    """A voice that fits worse than this is not taken. 1 is a perfect fit."""
    candidates: int = Field(default=5, ge=1, le=50)
    """The number of voices in the result's data."""


@tool(
    side_effect="idempotent",
    timeout_s=10.0,
    settings=Settings,
    lead_in="Let me find that voice.",
    examples=[
        "please speak in a deep male voice",
        "use a female voice",
        "speak like a robot",
        "talk like an old woman",
        "change your voice to a child's voice",
        "can you whisper",
        "go back to your normal voice",
        "use your default voice again",
        "用低沉的男声说话",
        "换成女声",
        "恢复原来的声音",
    ],
)
def audio_search(
    description: Annotated[
        str,
        "what the voice should be like, such as 'deep male voice', 'a robot' or 'an old woman'; "
        "'normal voice' goes back to the usual one",
    ],
    context: ToolContext,
    language: Annotated[str, "language that the voice should speak, such as en or zh"] = "",
) -> ToolResult:
    """Changes the voice (timbre) that the assistant speaks in.

    Searches the voice library for a clip that fits a description and speaks like it from then
    on, until another voice or the normal voice is asked for.
    """
    wanted = " ".join(description[:MAX_CHARS].split())
    if not wanted:
        raise ToolError("It was not said what the voice should be like.")
    if is_normal(wanted):
        return ToolResult("This is my normal voice again.", {"voice": NORMAL_VOICE}, NORMAL_VOICE)
    settings = context.settings or Settings()
    found = _search(context, wanted, language, settings.candidates)
    data = {"voice": "", "candidates": found}
    if not found or found[0]["score"] < settings.min_score:
        raise ToolError(f"There is no voice in the library that fits {wanted!r}.{_examples(found)}")
    best = found[0]
    data["voice"] = best["id"]
    return ToolResult(f"I now speak in the voice {best['name']}.", data, best["id"])


def is_normal(description: str) -> bool:
    """Returns whether the assistant's own voice is asked for, in English or Chinese."""
    plain = re.sub(r"[^\w\s]", " ", description.casefold())
    return bool(_NORMAL.fullmatch(" ".join(_FILLER.sub(" ", plain).split())))


def _search(
    context: ToolContext, description: str, language: str, limit: int
) -> list[dict[str, Any]]:
    if context.voices is None:
        raise ToolError("There is no voice library here, so I can't change my voice.")
    try:
        matches = context.voices.search(description, language=language, limit=limit)
    except AssistantError as error:
        raise ToolError(f"The voice library can't be searched: {error.message}.") from error
    return [
        {
            "id": match.voice.id,
            "name": _name(match.voice.id, match.voice.description),
            "language": match.voice.language,
            "score": match.score,
        }
        for match in matches
    ]


def _name(voice_id: str, description: str) -> str:
    return f"{voice_id}, {description}" if description else voice_id


def _examples(found: list[dict[str, Any]]) -> str:
    return f" The nearest would be {found[0]['name']}." if found else ""
