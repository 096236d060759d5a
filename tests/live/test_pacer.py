"""Audio is sent in frames, on time, with a limited lead."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest

from assistant.live.pacer import Pacer
from assistant.testing.clock import ManualClock

pytestmark = pytest.mark.anyio

FRAME = 160


def audio(seconds: float, first: int = 0) -> bytes:
    """Each frame is of one byte, its number counted from `first`."""
    frames = round(seconds / 0.02)
    return b"".join(bytes([(first + n) % 251]) * FRAME for n in range(frames))


class Listener:
    """Takes frames as they come, with the time of each."""

    def __init__(self, pacer: Pacer, clock: ManualClock) -> None:
        self.frames: list[bytes] = []
        self.times: list[float] = []
        self._pacer = pacer
        self._clock = clock

    async def run(self) -> None:
        while True:
            self.frames.append(await self._pacer.next())
            self.times.append(self._clock.now())

    @property
    def numbers(self) -> list[int]:
        return [frame[0] for frame in self.frames]


class Stage:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.pacer = Pacer(self.clock)
        self.listener = Listener(self.pacer, self.clock)

    async def advance(self, seconds: float) -> None:
        await self.clock.advance(seconds)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    made = Stage()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.listener.run)
        await made.advance(0)
        yield made
        tasks.cancel_scope.cancel()


async def test_the_lead_is_filled_at_once_and_maintained(stage: Stage) -> None:
    stage.pacer.put(audio(2.0))
    await stage.advance(0)
    assert len(stage.listener.frames) == 21  # 0.4 s ahead, and the one that is played now
    await stage.advance(1.0)
    assert len(stage.listener.frames) == 71
    assert stage.pacer.played_s == pytest.approx(1.0)
    await stage.advance(1.0)
    assert stage.listener.numbers == list(range(100))


async def test_frames_are_never_more_than_the_lead_ahead_and_never_late(stage: Stage) -> None:
    began = stage.clock.now()
    stage.pacer.put(audio(3.0))
    await stage.advance(4.0)
    for number, time in enumerate(stage.listener.times):
        ahead = number * 0.02 - (time - began)
        assert ahead <= 0.4 + 1e-9
        assert number < 21 or ahead == pytest.approx(0.4)


async def test_an_hour_of_frames_has_no_drift_and_buffers_two_seconds() -> None:
    clock = ManualClock()
    pacer = Pacer(clock)
    listener = Listener(pacer, clock)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener.run)
        pacer.put(audio(1.0))
        for _ in range(3_600):
            pacer.put(audio(1.0))
            await clock.advance(1.0)
            assert pacer.put_s - pacer.played_s < 2.1
        tasks.cancel_scope.cancel()
    due = [max(0.0, number * 0.02 - 0.4) for number in range(180_000)]
    assert listener.times[:180_000] == pytest.approx(due)
    assert len(pacer._kept) < 5 * 8_000


async def test_frames_come_at_twice_the_speed_after_a_late_wake_up_until_the_lead_is_back() -> None:
    clock = ManualClock()
    pacer = Pacer(clock)
    pacer.put(audio(3.0))
    for _ in range(21):
        await pacer.next()
    await clock.advance(0.22)  # no frame was taken meanwhile
    listener = Listener(pacer, clock)
    began = clock.now()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener.run)
        await clock.advance(0.0)
        assert pacer.late_s == pytest.approx(0.2)
        await clock.advance(1.001)
        tasks.cancel_scope.cancel()
    steps = [round(b - a, 6) for a, b in zip(listener.times, listener.times[1:], strict=False)]
    assert min(steps) >= 0.01 - 1e-6
    assert len(listener.frames) == round((1.0 + 0.22) / 0.02)  # back on the first schedule
    assert listener.times[-1] - began == pytest.approx(1.0)


async def test_a_listener_that_ran_dry_gets_a_new_lead(stage: Stage) -> None:
    stage.pacer.put(audio(0.2))
    await stage.advance(5.0)
    assert stage.pacer.played_s == pytest.approx(0.2)
    stage.pacer.put(audio(1.0, first=10))
    await stage.advance(0)
    assert len(stage.listener.frames) == 10 + 21
    assert stage.pacer.late_s == 0
    await stage.advance(0.5)
    assert stage.pacer.played_s == pytest.approx(0.7)


async def test_frames_sent_but_not_played_are_sent_again_after_a_pause(stage: Stage) -> None:
    stage.pacer.put(audio(2.0))
    await stage.advance(0.5)
    sent = len(stage.listener.frames)
    stage.pacer.pause()
    await stage.advance(3.0)
    assert len(stage.listener.frames) == sent
    assert stage.pacer.played_s == pytest.approx(0.5)
    stage.pacer.resume()
    await stage.advance(10.0)
    assert stage.listener.numbers[sent:] == list(range(25, 100))
    assert stage.pacer.played_s == pytest.approx(2.0)


async def test_a_pause_in_the_middle_of_a_frame_repeats_it_and_loses_no_audio(
    stage: Stage,
) -> None:
    stage.pacer.put(audio(1.0) + b"\x07" * 80)
    stage.pacer.fill()
    await stage.advance(0.511)
    sent = len(stage.listener.frames)
    stage.pacer.pause()
    stage.pacer.resume()
    await stage.advance(5.0)
    assert stage.listener.numbers[sent:] == [*range(25, 50), 7]
    assert stage.listener.frames[-1] == b"\x07" * 80 + b"\xff" * 80


async def test_cleared_audio_is_dropped_and_positions_continue(stage: Stage) -> None:
    stage.pacer.put(audio(2.0))
    await stage.advance(0.5)
    stage.pacer.clear()
    sent = len(stage.listener.frames)
    await stage.advance(2.0)
    assert len(stage.listener.frames) == sent
    assert stage.pacer.put_s == stage.pacer.played_s == pytest.approx(2.0)
    stage.pacer.put(audio(0.5, first=200))
    await stage.advance(0.25)
    assert stage.listener.numbers[sent:] == list(range(200, 225))
    assert stage.pacer.played_s == pytest.approx(2.25)


async def test_clearing_during_a_pause_ends_the_pause(stage: Stage) -> None:
    stage.pacer.put(audio(1.0))
    stage.pacer.pause()
    stage.pacer.clear()
    stage.pacer.put(audio(0.1, first=7))
    await stage.advance(1.0)
    assert stage.listener.numbers[-5:] == [7, 8, 9, 10, 11]


async def test_a_partial_frame_waits_for_more_audio_or_is_filled_with_silence(stage: Stage) -> None:
    stage.pacer.put(b"\x01" * 100)
    await stage.advance(1.0)
    assert stage.listener.frames == []
    stage.pacer.put(b"\x02" * 100)
    await stage.advance(1.0)
    assert stage.listener.frames == [b"\x01" * 100 + b"\x02" * 60]
    stage.pacer.fill()
    stage.pacer.fill()
    await stage.advance(1.0)
    assert stage.listener.frames[1:] == [b"\x02" * 40 + b"\xff" * 120]


async def test_echoed_marks_give_the_delay_of_the_listener(stage: Stage) -> None:
    stage.pacer.put(audio(2.0))
    await stage.advance(0.65)
    stage.pacer.echoed(0.5)
    assert stage.pacer.played_s == pytest.approx(
        0.65, abs=0.02
    )  # a reported position never moves back
    await stage.advance(0.25)
    assert stage.pacer.played_s == pytest.approx(0.75)
    stage.pacer.pause()
    sent = len(stage.listener.frames)
    stage.pacer.resume()
    await stage.advance(0.02)
    assert stage.listener.numbers[sent] == 37


async def test_echoes_of_past_and_future_marks_are_ignored(stage: Stage) -> None:
    stage.pacer.put(audio(2.0))
    await stage.advance(0.5)
    stage.pacer.echoed(1.9)  # not even sent
    stage.pacer.echoed(-1.0)
    assert stage.pacer.played_s == pytest.approx(0.5)
    stage.pacer.clear()
    stage.pacer.echoed(0.6)
    assert stage.pacer.played_s == pytest.approx(2.0)


async def test_audio_beyond_the_limit_is_refused() -> None:
    pacer = Pacer(ManualClock(), most_s=1.0)
    assert pacer.put(audio(0.9))
    assert not pacer.put(audio(0.2))
    assert pacer.put_s == pytest.approx(0.9)


async def test_twenty_listeners_each_get_every_frame_on_time() -> None:
    clock = ManualClock()
    began = clock.now()
    stages = [(pacer, Listener(pacer, clock)) for pacer in (Pacer(clock) for _ in range(20))]
    async with anyio.create_task_group() as tasks:
        for pacer, listener in stages:
            pacer.put(audio(2.0))
            tasks.start_soon(listener.run)
        await clock.advance(3.0)
        tasks.cancel_scope.cancel()
    for _, listener in stages:
        due = [began + max(0.0, n * 0.02 - 0.4) for n in range(100)]
        assert listener.times == pytest.approx(due)
