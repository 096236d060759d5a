"""Will this call run? The one module that decides it.

The first row that applies decides:

    this round offers no tools                  denied
    the client runs the tool itself             runs at the client, and ends the turn
    the turn has asked for the same before      shares the outcome of the earlier call
    the call is malformed                       error
    no tool has the name                        unknown
    the settings or the session forbid it       denied
    this round did not offer the tool           denied
    the tool has side effects, and the          waits until the question is certain, then goes on
      question may still change
    the arguments don't fit                     error
    approval is needed and is not given         denied
    otherwise                                   runs, and ends as ok, error or timeout

A call of a turn that stops before its outcome is known is cancelled.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import anyio
from pydantic import BaseModel

from assistant.config import PluginSettings
from assistant.errors import ToolError, did_you_mean
from assistant.messages import Outcome, ToolCall
from assistant.plugins.arguments import parse_arguments
from assistant.plugins.calls import Caller, EarlierCall
from assistant.plugins.registry import Registry, permitted
from assistant.plugins.tool import Tool

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunsAtClient:
    """The client runs the call after the turn."""


@dataclass(frozen=True, slots=True)
class Shares:
    """The call gets the outcome of an earlier one."""

    earlier: EarlierCall


@dataclass(frozen=True, slots=True)
class Refused:
    """The call does not run; `text` tells the model why."""

    outcome: Outcome
    text: str


@dataclass(frozen=True, slots=True)
class Runs:
    """The call runs, once `commit` is set, if `ready` accepts its arguments and it is approved."""

    tool: Tool
    commit: anyio.Event | None = None


Decision = RunsAtClient | Shares | Refused | Runs


class CallPolicy:
    """Decides for the calls of any session. `settings` hold for all of them."""

    def __init__(self, registry: Registry, settings: PluginSettings) -> None:
        self._registry = registry
        self._settings = settings

    def permits(self, name: str) -> bool:
        """Returns whether the settings allow the tool in any session."""
        return permitted(name, self._settings.allow, self._settings.deny)

    def decide(self, call: ToolCall, caller: Caller) -> Decision:
        """Returns what happens to the call, as far as its name and its turn tell."""
        if caller.offered is not None and not caller.offered:
            return Refused("denied", "No more tools can be called in this turn.")
        if call.name in caller.client_tools and caller.offers(call.name) and not call.problem:
            return RunsAtClient()
        earlier = caller.earlier.find(call) if caller.earlier else None
        if earlier is not None:
            return Shares(earlier)
        if call.problem:
            known = "" if call.name else f" {self._known(caller)}"
            return Refused("error", f"{call.problem}{known}")
        tool = self._registry.get(call.name)
        if tool is None:
            return self._unknown(call, caller)
        if not self._allowed(call.name, caller):
            return Refused("denied", f"The tool {call.name} is not allowed in this conversation.")
        if not caller.offers(call.name):
            return Refused("denied", f"The tool {call.name} can't be called now.")
        waits = tool.side_effect != "none" and caller.commit is not None
        return Runs(tool, caller.commit if waits else None)

    async def ready(self, tool: Tool, call: ToolCall, caller: Caller) -> BaseModel | Refused:
        """Returns the validated arguments of a call that may run, after its approval."""
        try:
            values = parse_arguments(tool, call.arguments)
        except ToolError as error:
            return Refused("error", str(error))
        refused = await self._unapproved(tool, call, caller) if tool.needs_approval else None
        return refused or values

    async def _unapproved(self, tool: Tool, call: ToolCall, caller: Caller) -> Refused | None:
        if caller.approve is None:
            text = f"The tool {tool.name} needs an approval, and nobody can give one."
            return Refused("denied", text)
        try:
            approved = await caller.approve(call, tool.schema) is True
        except Exception:  # an approval that raises is a refusal
            logger.exception("Asking for the approval of %s failed", tool.name)
            approved = False
        return None if approved else Refused("denied", f"The call of {tool.name} was not approved.")

    def _unknown(self, call: ToolCall, caller: Caller) -> Refused:
        hint = did_you_mean(call.name, self._names(caller))
        near = f"; {hint}" if hint else "."
        return Refused("unknown", f"There is no tool {call.name!r}{near} {self._known(caller)}")

    def _known(self, caller: Caller) -> str:
        names = self._names(caller)
        return f"The tools are: {', '.join(names)}." if names else "There are no tools."

    def _names(self, caller: Caller) -> list[str]:
        return [name for name in self._registry.names if self._allowed(name, caller)]

    def _allowed(self, name: str, caller: Caller) -> bool:
        return self.permits(name) and permitted(name, caller.allow, caller.deny)
