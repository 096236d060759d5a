"""Runs the calls that a model makes. Each call ends in exactly one outcome.

the call itself is malformed    error       the arguments do not fit    error
no tool has the name            unknown     the approval is refused     denied
it is not allowed here          denied      it runs                     ok, error, timeout
the turn stops before any of these                                      cancelled
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection

import anyio

from assistant.config import PluginSettings
from assistant.errors import ToolError, did_you_mean
from assistant.messages import Outcome, ToolCall, ToolSchema
from assistant.plugins.arguments import parse_arguments
from assistant.plugins.calls import Caller, ToolOutcome
from assistant.plugins.context import ToolResult
from assistant.plugins.execution import UNREACHABLE, Execution, OutOfTime, Sleep
from assistant.plugins.registry import Registry, permitted
from assistant.plugins.results import clean, cut
from assistant.plugins.threads import Threads
from assistant.plugins.tool import Tool

log = logging.getLogger(__name__)

THREADS_PER_TOOL = 32


class Dispatcher:
    """Runs calls, of any number of sessions at the same time; keeps nothing of a call.

    A tool that blocks runs in a thread, at most `threads_per_tool` at a time for each tool, so
    that one that hangs does not starve the others. A call that finds no place free waits for one,
    and the wait counts against its timeout. `sleep` waits between tries.
    """

    def __init__(
        self,
        registry: Registry,
        settings: PluginSettings | None = None,
        *,
        threads_per_tool: int = THREADS_PER_TOOL,
        sleep: Sleep = anyio.sleep,
    ) -> None:
        self.registry = registry
        self.settings = settings or PluginSettings()
        self._threads = Threads(threads_per_tool)
        self._sleep = sleep

    def schemas(
        self, allow: Collection[str] | None = None, deny: Collection[str] = ()
    ) -> tuple[ToolSchema, ...]:
        """What the model of a session with these lists is told: the tools that it may call."""
        schemas = self.registry.schemas(allow, deny)
        return tuple(schema for schema in schemas if self._permitted(schema.name))

    async def run(
        self, call: ToolCall, caller: Caller, report: Callable[[ToolOutcome], None]
    ) -> None:
        """Runs the call and reports its outcome: exactly once, also when it is cancelled.

        A tool of side effect `once` that has begun is not cut short by a cancellation but waited
        for, at most until its timeout, and its real outcome is reported. Then the cancellation
        goes on.
        """
        run = _Run(self, call, caller)
        try:
            # In a task of its own: a CancelledError that the tool raises by itself is then told
            # from a turn that is cancelled, and the task can be waited for in both cases.
            async with anyio.create_task_group() as group:
                group.start_soon(run.to_its_end)
            run.end("error", _unexpected(call.name))
        finally:
            run.end("cancelled", "The call was stopped before it ended.")
            report(run.outcome)

    def may_call(self, name: str, caller: Caller) -> bool:
        return self._permitted(name) and permitted(name, caller.allow, caller.deny)

    def _permitted(self, name: str) -> bool:
        return permitted(name, self.settings.allow, self.settings.deny)

    def _execution(self, tool: Tool, call: ToolCall, caller: Caller) -> Execution:
        return Execution(tool, call, caller, self.settings, self._threads, self._sleep)


class _Run:
    """One call on its way to its outcome. The first outcome stands."""

    def __init__(self, dispatcher: Dispatcher, call: ToolCall, caller: Caller) -> None:
        self._dispatcher = dispatcher
        self._call = call
        self._caller = caller
        self._execution: Execution | None = None
        self._started = time.perf_counter()
        self._outcome: ToolOutcome | None = None

    @property
    def outcome(self) -> ToolOutcome:
        assert self._outcome is not None, "asked for before the end"
        return self._outcome

    def end(self, outcome: Outcome, text: str, result: ToolResult | None = None) -> None:
        if self._outcome is not None:
            return
        self._outcome = ToolOutcome(
            call=self._call,
            outcome=outcome,
            text=cut(clean(text), self._dispatcher.settings.max_result_chars),
            data=result.data if result else None,
            voice=result.voice if result else None,
            seconds=time.perf_counter() - self._started,
            attempts=self._execution.attempts if self._execution else 0,
        )

    async def to_its_end(self) -> None:
        name = self._call.name
        try:
            await self._work()
        except ToolError as error:
            self.end("error", str(error) or f"The tool {name} failed.")
        except OutOfTime as late:
            self.end("timeout", str(late))
        except UNREACHABLE as error:
            log.warning("The tool %s: %s: %s", name, type(error).__name__, error)
            self.end("error", f"The tool {name} could not reach what it needs.")
        except Exception:  # the one place where a stranger's code is contained
            log.exception("The tool %s failed", name)
            self.end("error", _unexpected(name))

    async def _work(self) -> None:
        tool = self._admitted()
        if tool is None:
            return
        values = parse_arguments(tool, self._call.arguments)
        if tool.needs_approval and not await self._approved(tool):
            return
        self._execution = self._dispatcher._execution(tool, self._call, self._caller)
        result = await self._execution.run(values)
        self.end("ok", result.text, result)

    def _admitted(self) -> Tool | None:
        """The tool, if there is one and it may be called; else the call has its outcome."""
        call = self._call
        tool = self._dispatcher.registry.get(call.name)
        if call.problem:
            self.end("error", call.problem if call.name else f"{call.problem} {self._known()}")
        elif tool is None:
            hint = did_you_mean(call.name, self._names())
            near = f"; {hint}" if hint else "."
            self.end("unknown", f"There is no tool {call.name!r}{near} {self._known()}")
        elif not self._dispatcher.may_call(call.name, self._caller):
            self.end("denied", f"The tool {call.name} is not allowed in this conversation.")
        else:
            return tool
        return None

    def _known(self) -> str:
        names = self._names()
        return f"The tools are: {', '.join(names)}." if names else "There are no tools."

    def _names(self) -> list[str]:
        names = self._dispatcher.registry.names
        return [name for name in names if self._dispatcher.may_call(name, self._caller)]

    async def _approved(self, tool: Tool) -> bool:
        name, approve = tool.name, self._caller.approve
        if approve is None:
            self.end("denied", f"The tool {name} needs an approval, and nobody can give one.")
            return False
        try:
            approved = await approve(self._call, tool.schema) is True
        except Exception:  # an approval that fails is none
            log.exception("Asking for the approval of %s failed", name)
            approved = False
        if not approved:
            self.end("denied", f"The call of {name} was not approved.")
        return approved


def _unexpected(name: str) -> str:
    return f"The tool {name} failed unexpectedly."
