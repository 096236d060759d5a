"""The states of turn detection, and the actions at each step."""

from __future__ import annotations

import pytest

from assistant.config import LiveSettings
from assistant.live.turn_detector import FRAME_MS, Action, State, TurnDetector

SETTINGS = LiveSettings(
    min_speech_ms=120,
    speculate_ms=200,
    silence_ms=400,
    long_silence_ms=800,
    interrupt_ms=160,
    resume_ms=400,
    max_user_turn_s=5.0,
)


def fed(machine: TurnDetector, script: str) -> list[Action]:
    """Returns the detector's actions for `script`: +300 is 300 ms of speech, -300 of silence."""
    actions = []
    for word in script.split():
        for _ in range(abs(int(word)) // FRAME_MS):
            actions += machine.frame(word.startswith("+"))
    return actions


@pytest.mark.parametrize(
    ("script", "actions", "state"),
    [
        ("-5000", [], State.LISTENING),
        ("+96", [], State.ONSET),
        ("+96 -320", [], State.LISTENING),
        ("+96 -96 +96", [Action.BEGIN], State.SPEAKING),
        ("+1000 -192", [Action.BEGIN], State.SPEAKING),
        ("+1000 -224", [Action.BEGIN, Action.SPECULATE], State.ENDPOINTING),
        (
            "+1000 -224 +64",
            [Action.BEGIN, Action.SPECULATE, Action.DISCARD_SPECULATION],
            State.SPEAKING,
        ),
        ("+1000 -576", [Action.BEGIN, Action.SPECULATE], State.ENDPOINTING),
        ("+1000 -608", [Action.BEGIN, Action.SPECULATE, Action.COMMIT], State.LISTENING),
        ("+5024", [Action.BEGIN, Action.COMMIT], State.LISTENING),
    ],
)
def test_speech_and_silence_move_a_turn_through_its_states(
    script: str, actions: list[Action], state: State
) -> None:
    machine = TurnDetector(SETTINGS)
    assert fed(machine, script) == actions
    assert machine.state is state


@pytest.mark.parametrize(("complete", "silence"), [(True, "-416"), (False, "-800"), (None, "-608")])
def test_a_complete_sentence_ends_sooner(complete: bool | None, silence: str) -> None:
    machine = TurnDetector(SETTINGS)
    fed(machine, "+1000 -224")
    machine.complete = complete
    rest = f"-{int(silence[1:]) - 224}"
    assert fed(machine, rest) == [Action.COMMIT]


def test_completeness_is_unknown_again_after_more_speech() -> None:
    machine = TurnDetector(SETTINGS)
    fed(machine, "+1000 -224")
    machine.complete = True
    fed(machine, "+320 -224")
    assert machine.complete is None


@pytest.mark.parametrize(
    ("pausable", "script", "actions", "state"),
    [
        (False, "+128", [], State.INTERRUPTED),
        (False, "+128 -320", [], State.RESPONDING),
        (False, "+160", [Action.BEGIN, Action.INTERRUPT], State.SPEAKING),
        (True, "+32", [Action.PAUSE], State.INTERRUPTED),
        (True, "+320 -320", [Action.PAUSE, Action.RESUME], State.RESPONDING),
        (True, "+416", [Action.PAUSE, Action.BEGIN, Action.INTERRUPT], State.SPEAKING),
    ],
)
def test_speech_over_a_response_pauses_resumes_or_interrupts_it(
    pausable: bool, script: str, actions: list[Action], state: State
) -> None:
    machine = TurnDetector(SETTINGS, pausable=pausable)
    machine.response_started()
    assert fed(machine, script) == actions
    assert machine.state is state


def test_speech_that_outlasts_the_response_is_a_turn() -> None:
    machine = TurnDetector(SETTINGS, pausable=True)
    machine.response_started()
    fed(machine, "+96")
    machine.response_over()
    assert machine.state is State.ONSET
    assert fed(machine, "+64") == [Action.BEGIN]
