"""Tools that the caller runs: offered to the engine, never run here, answered by the caller."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest

from assistant import Assistant, Session, Settings, tool
from assistant.config import Sampling
from assistant.engines.base import Finish
from assistant.errors import AssistantError, EngineError
from assistant.events import Event, ToolCallFinished, Usage
from assistant.messages import AssistantMessage, ToolMessage, ToolSchema, UserMessage, open_calls
from assistant.testing import ScriptedEngine
from tests.support.tool_calls import call

pytestmark = pytest.mark.anyio

DOOR = ToolSchema("open_door", "Opens a door.", {"type": "object", "properties": {}})


@tool(side_effect="none")
async def echo(text: str) -> str:
    """Says the text again."""
    return f"echo {text}"


async def turn(session: Session, question: str = "hello", **options: Any) -> list[Event]:
    return [event async for event in session.ask(question, **options)]


async def test_a_client_tool_call_ends_the_turn_and_waits_for_its_result(
    settings: Settings,
) -> None:
    engine = ScriptedEngine(["Wait. ", call("open_door", which="front")], ["It is open."])
    async with Assistant(settings, engine=engine, tools=[echo]) as assistant:
        session = assistant.session(client_tools=[DOOR])
        events = await turn(session)
        ended = events[-1]
        assert "tool_call_started" not in [event.type for event in events]
        assert (ended.reason, ended.text) == ("completed", "Wait. ")
        (waiting,) = ended.calls
        assert (waiting.name, json.loads(waiting.arguments)) == ("open_door", {"which": "front"})
        assert open_calls(session.history) == [waiting]
        session.add_result(waiting.id, "The door is open.")
        answer = [event async for event in session.respond()]
    assert (answer[-1].text, answer[-1].calls) == ("It is open.", ())
    assert session.history == [
        UserMessage(("hello",)),
        AssistantMessage("Wait. ", (waiting,)),
        ToolMessage(waiting, "ok", "The door is open."),
        AssistantMessage("It is open."),
    ]
    assert {"open_door", "echo"} <= {schema.name for schema in engine.requests[0].tools}


async def test_server_and_client_tools_are_called_in_one_round(settings: Settings) -> None:
    engine = ScriptedEngine([call("echo", text="a") + call("open_door")], ["Done."])
    async with Assistant(settings, engine=engine, tools=[echo]) as assistant:
        session = assistant.session(client_tools=[DOOR])
        events = await turn(session)
        finished = [(e.name, e.outcome) for e in events if e.type == "tool_call_finished"]
        assert finished == [("echo", "ok")]
        assert [call.name for call in events[-1].calls] == ["open_door"]
        session.add_result(events[-1].calls[0].id, "open")
        assert [event async for event in session.respond()][-1].text == "Done."
    results = [m.text for m in engine.requests[1].messages if isinstance(m, ToolMessage)]
    assert results == ["echo a", "open"]


async def test_the_clients_tool_wins_over_the_servers_of_the_same_name(
    settings: Settings,
) -> None:
    engine = ScriptedEngine([call("echo", text="a")])
    theirs = ToolSchema("echo", "Theirs.", {"type": "object"})
    async with Assistant(settings, engine=engine, tools=[echo]) as assistant:
        ended = (await turn(assistant.session(client_tools=[theirs])))[-1]
    assert [call.name for call in ended.calls] == ["echo"]
    assert [s.description for s in engine.requests[0].tools if s.name == "echo"] == ["Theirs."]


async def test_a_malformed_client_tool_call_goes_back_to_the_model(
    settings: Settings,
) -> None:
    broken = "<tool_call>function\nopen_door\n{broken</tool_call>"
    engine = ScriptedEngine([broken], ["Sorry."])
    async with Assistant(settings, engine=engine) as assistant:
        ended = (await turn(assistant.session(client_tools=[DOOR])))[-1]
    assert (ended.text, ended.calls) == ("Sorry.", ())
    assert "not valid JSON" in engine.requests[1].messages[-1].text


@pytest.mark.parametrize("how", ["fails", "is cancelled"])
async def test_no_call_is_open_after_a_turn_that_fails_or_is_cancelled(
    settings: Settings, how: str
) -> None:
    never, called = anyio.Event(), anyio.Event()

    async def stop() -> None:
        called.set()
        if how == "fails":
            raise EngineError("out of memory")
        await never.wait()

    async with Assistant(settings, engine=ScriptedEngine([call("open_door"), stop])) as assistant:
        session = assistant.session(client_tools=[DOOR])
        events: list[Event] = []
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:

                async def read() -> None:
                    events.extend(await turn(session))

                tasks.start_soon(read)
                await called.wait()
                await session.cancel()
        assert events[-1].reason in ("failed", "cancelled")
        assert events[-1].calls == ()
        assert not open_calls(session.history)
        assert session.history[-1].outcome == "cancelled"


async def test_a_question_instead_of_a_result_closes_the_call(settings: Settings) -> None:
    engine = ScriptedEngine([call("open_door")], ["As you like."])
    async with Assistant(settings, engine=engine) as assistant:
        session = assistant.session(client_tools=[DOOR])
        await turn(session)
        assert (await turn(session, "never mind"))[-1].text == "As you like."
        outcomes = [m.outcome for m in session.history if isinstance(m, ToolMessage)]
        assert outcomes == ["cancelled"]
        with pytest.raises(AssistantError, match="no call 'x' waits"):
            session.add_result("x", "late")


@pytest.mark.parametrize(
    ("choice", "offered", "must", "later"),
    [
        ("auto", {"echo", "open_door"}, False, {"echo", "open_door"}),
        ("none", set(), False, set()),
        ("required", {"echo", "open_door"}, True, {"echo", "open_door"}),
        ("open_door", {"open_door"}, True, {"echo", "open_door"}),
        ("no_such_tool", set(), False, set()),
    ],
)
async def test_tool_choice_decides_what_the_engine_is_offered(
    settings: Settings, choice: str, offered: set[str], must: bool, later: set[str]
) -> None:
    engine = ScriptedEngine([call("echo", text="a")], ["Done."])
    async with Assistant(settings, engine=engine, tools=[echo]) as assistant:
        session = assistant.session(client_tools=[DOOR], allow=["echo"])
        await turn(session, tool_choice=choice)
    first, second = engine.requests[:2]
    assert {schema.name for schema in first.tools} == offered
    assert first.must_call is must
    assert {schema.name for schema in second.tools} == later
    assert not second.must_call


@pytest.mark.parametrize(
    ("options", "outcomes"),
    [
        ({"tool_choice": "none"}, ["denied", "denied"]),
        ({"task": "read"}, ["denied", "denied"]),
        ({"tool_choice": "open_door"}, ["denied", "ok"]),
        ({}, ["ok", "ok"]),
    ],
)
async def test_a_call_of_a_tool_that_was_not_offered_never_runs(
    settings: Settings, options: dict[str, Any], outcomes: list[str]
) -> None:
    engine = ScriptedEngine([call("echo", text="a")], [call("echo", text="a")], ["Done."])
    async with Assistant(settings, engine=engine, tools=[echo]) as assistant:
        session = assistant.session(client_tools=[DOOR])
        events = await turn(session, **options)
    ended = [event for event in events if isinstance(event, ToolCallFinished)]
    assert [event.outcome for event in ended] == outcomes


async def test_a_call_of_a_client_tool_that_was_not_offered_is_not_handed_out(
    settings: Settings,
) -> None:
    engine = ScriptedEngine([call("open_door")], ["As you like."])
    async with Assistant(settings, engine=engine, tools=[echo]) as assistant:
        session = assistant.session(client_tools=[DOOR])
        ended = (await turn(session, tool_choice="none"))[-1]
    assert (ended.calls, ended.text) == ((), "As you like.")


async def test_sampling_applies_to_the_turn_and_usage_to_all_its_steps(settings: Settings) -> None:
    engine = ScriptedEngine(
        [call("echo", text="a"), Finish("tool_calls", (1, 2), 10)],
        ["Cut", Finish("length", (3,), 20)],
        ["Whole."],
    )
    cold = Sampling(temperature=0.0, max_tokens=5, stop=("\n",))
    async with Assistant(settings, engine=engine, tools=[echo]) as assistant:
        session = assistant.session()
        ended = (await turn(session, sampling=cold))[-1]
        assert (ended.cut_off, ended.usage) == (True, Usage(30, 3))
        ended = (await turn(session))[-1]
    assert (ended.cut_off, ended.usage) == (False, Usage())
    assert [request.sampling for request in engine.requests] == [cold, cold, settings.sampling]
