"""The options of a conversation and of a turn, and the requests to the engine they lead to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import anyio
from typing_extensions import TypedDict

from assistant.audio.voice import Voice
from assistant.config import Sampling
from assistant.engines.base import EngineRequest, Task
from assistant.history import History
from assistant.messages import Message, SystemMessage, ToolSchema
from assistant.plugins import Approve, VoiceSearch


class SessionOptions(TypedDict, total=False):
    """Options of a conversation; what is left out (or None) is as in the settings.

    `voice`: id of a voice clip. `allow`, `deny`: names of tools; `allow` may be a function that is
    called as each turn begins, because rights change while a session lives. `approve`: asked before
    a tool runs that needs approval; without it such a tool is denied. `speak`: False for text only.
    `client_tools`: tools that the caller runs; a call of one ends the turn (`TurnEnded.calls`).
    `voices`: what this session and its tools see of the library, instead of all of it.
    `history`, `turns` and `id` continue a stored conversation: its messages, how many turns it had,
    and its id.
    """

    voice: str | None
    language: str | None
    system_prompt: str | None
    allow: Iterable[str] | Callable[[], Iterable[str] | None] | None
    deny: Iterable[str]
    approve: Approve | None
    speak: bool
    client_tools: Iterable[ToolSchema]
    voices: VoiceSearch | None
    history: Iterable[Message]
    turns: int
    id: str


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
    """The values that a turn needs, apart from its history and voice.

    A session has its own values in one; `with_options` returns those of a turn. `server_tools` are
    the tools that run here and that the model of this session may call; `client_tools` are run by
    the caller, and hide the server's tools of the same name.
    """

    system_prompt: str
    language: str
    speak: bool
    sampling: Sampling
    max_tool_rounds: int
    server_tools: tuple[ToolSchema, ...]
    client_tools: Mapping[str, ToolSchema]
    task: Task = "answer"
    tool_choice: str = "auto"
    commit: anyio.Event | None = None

    @property
    def tools(self) -> dict[str, ToolSchema]:
        """The tools that the model may call, by name."""
        return {**{schema.name: schema for schema in self.server_tools}, **self.client_tools}

    def with_options(self, options: TurnOptions) -> TurnSettings:
        """Returns a copy with the options that are given and not None."""
        given = {key: value for key, value in options.items() if value is not None}
        given.pop("voice", None)
        return replace(self, **given)  # type: ignore[arg-type]

    def request(
        self, history: History, voice: Voice, *, with_tools: bool, first: bool
    ) -> EngineRequest:
        """Returns the request for one round.

        `first`: a `tool_choice` that demands a call holds for the first round only; one that
        forbids calls holds for all.
        """
        forbids = not self._tools(self.tool_choice)
        choice = self.tool_choice if first or forbids else "auto"
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
        tools = self.tools
        if choice in ("auto", "required"):
            return tuple(tools.values())
        return (tools[choice],) if choice in tools else ()
