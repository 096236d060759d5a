"""What holds for one turn: the caller's options, and the requests to the engine they lead to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import anyio
from typing_extensions import TypedDict

from assistant.audio.voice import Voice
from assistant.config import Sampling
from assistant.engines.base import EngineRequest, Task
from assistant.history import History
from assistant.messages import SystemMessage, ToolSchema


class TurnOptions(TypedDict, total=False):
    """Options of one turn; what is left out is as in the session.

    `task`: what the engine does with the last message. `sampling`: instead of the settings'.
    `tool_choice`: auto, none, required (the turn begins with a call) or the name of the tool to
    call. `commit`: the question may still change; until it is set, only tools without side effects
    run, and the caller may `drop` the turn. `speak`: False for text only. `system_prompt`,
    `client_tools` (by name) and `voice` replace the session's; a voice that a tool chooses during
    the turn stays the session's voice.
    """

    task: Task
    sampling: Sampling | None
    tool_choice: str
    commit: anyio.Event | None
    speak: bool
    system_prompt: str
    client_tools: Mapping[str, ToolSchema]
    voice: Voice


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """The options of a turn with the session's values filled in.

    `server_tools` are the tools that run here and that the model of this session may call;
    `client_tools` are run by the caller, and come before the server's tools of the same name.
    """

    task: Task
    sampling: Sampling
    tool_choice: str
    commit: anyio.Event | None
    speak: bool
    system_prompt: str
    client_tools: Mapping[str, ToolSchema]
    server_tools: tuple[ToolSchema, ...]
    language: str
    max_tool_rounds: int

    def request(
        self, history: History, voice: Voice, *, with_tools: bool, first: bool
    ) -> EngineRequest:
        """Returns the request for one round. `first`: `tool_choice` holds for the first only."""
        choice = self.tool_choice if first else "auto"
        tools = self._tools(choice) if with_tools and self.task == "answer" else ()
        return EngineRequest(
            messages=(SystemMessage(self.system_prompt), *history),
            tools=tools,
            must_call=bool(tools) and choice != "auto",
            voice=voice,
            language=self.language,
            speak=self.speak,
            sampling=self.sampling,
            task=self.task,
        )

    def _tools(self, choice: str) -> tuple[ToolSchema, ...]:
        known = tools_by_name(self.server_tools, self.client_tools)
        if choice in ("auto", "required"):
            return tuple(known.values())
        return (known[choice],) if choice in known else ()


def tools_by_name(
    server_tools: tuple[ToolSchema, ...], client_tools: Mapping[str, ToolSchema]
) -> dict[str, ToolSchema]:
    """Returns what the model may call; a client's tool hides the server's of the same name."""
    return {**{schema.name: schema for schema in server_tools}, **client_tools}
