"""Dispatch: runs the calls that a model makes. Each call ends in exactly one outcome.

call_policy.py decides whether a call runs, and lists every reason.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import replace

import anyio

from assistant.config import PluginSettings
from assistant.errors import ToolError
from assistant.messages import Outcome, ToolCall, ToolSchema
from assistant.plugins.call_policy import CallPolicy, Refused, Runs, RunsAtClient, Shares
from assistant.plugins.calls import Caller, EarlierCall, ToolOutcome
from assistant.plugins.context import ToolResult
from assistant.plugins.execution import UNREACHABLE, Execution, Sleep, ToolTimeoutError, clean, cut
from assistant.plugins.registry import Registry
from assistant.plugins.tool import Tool
from assistant.plugins.tool_threads import ToolThreads

logger = logging.getLogger(__name__)

THREADS_PER_TOOL = 32
Report = Callable[[ToolOutcome], None]


class Dispatcher:
    """Runs calls of any number of sessions at the same time; keeps no state of a call.

    A tool that blocks runs in a thread, at most `threads_per_tool` at a time for each tool, so
    that a tool that hangs does not starve the others. A call that finds no free thread waits for
    one, and the wait counts against its timeout. `sleep` waits between attempts.
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
        self.policy = CallPolicy(registry, self.settings)
        self._threads = ToolThreads(threads_per_tool)
        self._sleep = sleep

    def schemas(
        self, allow: Collection[str] | None = None, deny: Collection[str] = ()
    ) -> tuple[ToolSchema, ...]:
        """Returns the schemas of the tools that a session with these lists may call."""
        schemas = self.registry.schemas(allow, deny)
        return tuple(schema for schema in schemas if self.policy.permits(schema.name))

    def runs_at_client(self, call: ToolCall, caller: Caller) -> bool:
        """Returns whether the client has to run the call; `run` must not be called then."""
        return isinstance(self.policy.decide(call, caller), RunsAtClient)

    async def run(self, call: ToolCall, caller: Caller, report: Report) -> None:
        """Runs the call and reports its outcome: exactly once, also if it is cancelled.

        A tool of side effect `once` that has begun is not cut short by a cancellation but waited
        for, at most until its timeout, and its real outcome is reported. Then the cancellation
        goes on. A call that shares the outcome of an earlier one reports nothing if that one was
        cancelled.
        """
        match self.policy.decide(call, caller):
            case Shares(earlier):
                await _share(call, earlier, report)
            case Refused(outcome, text) if not caller.offers(call.name):
                report(ToolOutcome(call, outcome, text))
            case decision:
                assert not isinstance(decision, RunsAtClient), "the client runs it"
                earlier = caller.earlier.add(call) if caller.earlier else EarlierCall()
                await self._run(_Run(self, call, caller), decision, earlier, report)

    async def _run(
        self, run: _Run, decision: Refused | Runs, earlier: EarlierCall, report: Report
    ) -> None:
        try:
            if isinstance(decision, Runs) and decision.commit is not None:
                await decision.commit.wait()
                run.restart_clock()
            # In a task of its own: a CancelledError that the tool raises by itself is then distinct
            # from a turn that is cancelled, and the task can be waited for in both cases.
            async with anyio.create_task_group() as group:
                group.start_soon(run.to_its_end, decision)
            run.end("error", _unexpected(run.call.name))
        finally:
            run.end("cancelled", "The call was stopped before it ended.")
            earlier.outcome = run.outcome
            earlier.done.set()
            report(run.outcome)

    def execution(self, tool: Tool, call: ToolCall, caller: Caller) -> Execution:
        """Returns one execution of the tool: its attempts, its timeout and its thread."""
        return Execution(tool, call, caller, self.settings, self._threads, self._sleep)


async def _share(call: ToolCall, earlier: EarlierCall, report: Report) -> None:
    await earlier.done.wait()
    if earlier.outcome is not None:
        report(replace(earlier.outcome, call=call, seconds=0.0, attempts=0))


class _Run:
    """One call on its way to its outcome. The first outcome stands."""

    def __init__(self, dispatcher: Dispatcher, call: ToolCall, caller: Caller) -> None:
        self.call = call
        self._dispatcher = dispatcher
        self._caller = caller
        self._execution: Execution | None = None
        self._started = time.perf_counter()
        self._outcome: ToolOutcome | None = None

    @property
    def outcome(self) -> ToolOutcome:
        assert self._outcome is not None, "the call has not ended"
        return self._outcome

    def restart_clock(self) -> None:
        """Lets the outcome's seconds begin now."""
        self._started = time.perf_counter()

    def end(self, outcome: Outcome, text: str, result: ToolResult | None = None) -> None:
        """Sets the outcome, unless the call has one already."""
        if self._outcome is not None:
            return
        self._outcome = ToolOutcome(
            call=self.call,
            outcome=outcome,
            text=cut(clean(text), self._dispatcher.settings.max_result_chars),
            data=result.data if result else None,
            voice=result.voice if result else None,
            seconds=time.perf_counter() - self._started,
            attempts=self._execution.attempts if self._execution else 0,
        )

    async def to_its_end(self, decision: Refused | Runs) -> None:
        """Runs the call if it may run, and turns whatever happens into its outcome."""
        name = self.call.name
        try:
            await self._work(decision)
        except ToolError as error:
            self.end("error", str(error) or f"The tool {name} failed.")
        except ToolTimeoutError as late:
            self.end("timeout", str(late))
        except UNREACHABLE as error:
            logger.warning("The tool %s: %s: %s", name, type(error).__name__, error)
            self.end("error", f"The tool {name} could not reach what it needs.")
        except Exception:  # the one place that catches what untrusted code raises
            logger.exception("The tool %s failed", name)
            self.end("error", _unexpected(name))

    async def _work(self, decision: Refused | Runs) -> None:
        if isinstance(decision, Refused):
            self.end(decision.outcome, decision.text)
            return
        tool, dispatcher = decision.tool, self._dispatcher
        values = await dispatcher.policy.ready(tool, self.call, self._caller)
        if isinstance(values, Refused):
            self.end(values.outcome, values.text)
            return
        self._execution = dispatcher.execution(tool, self.call, self._caller)
        result = await self._execution.run(values)
        self.end("ok", result.text, result)


def _unexpected(name: str) -> str:
    return f"The tool {name} failed unexpectedly."
