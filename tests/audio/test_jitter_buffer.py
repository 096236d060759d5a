"""Packets that come late, twice, never, in any order and under any number."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.audio.jitter_buffer import JitterBuffer
from assistant.audio.samples import Pcm16

SIZE = 160  # 20 ms at 8 kHz


def packet(number: int) -> Pcm16:
    """Returns a packet whose samples give its number; never silent."""
    return np.full(SIZE, number % 30_000 + 1, np.int16)


def played(buffer: JitterBuffer, numbers: list[int], step: int = 1) -> list[int]:
    """Returns one more than the packets' numbers, in the order of playback; 0 for silence."""
    pcm = [buffer.put(number, packet(number // step)) for number in numbers]
    heard = np.concatenate([*pcm, buffer.flush()])
    assert len(heard) % SIZE == 0
    packets = heard.reshape(-1, SIZE)
    assert (packets == packets[:, :1]).all()  # never cut or mixed
    return [int(first) for first in packets[:, 0]]


def test_packets_in_order_come_out_at_once() -> None:
    buffer = JitterBuffer(SIZE)
    for number in range(5, 100):
        assert np.array_equal(buffer.put(number, packet(number)), packet(number))
    assert buffer.counts.lost == buffer.counts.dropped == buffer.counts.restarts == 0


def test_reordered_packets_come_out_in_order() -> None:
    assert played(JitterBuffer(SIZE), [0, 2, 1, 3, 5, 6, 4, 7]) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_lost_packet_is_waited_for_and_then_replaced_by_silence() -> None:
    buffer = JitterBuffer(SIZE)
    lengths = [len(buffer.put(number, packet(number))) // SIZE for number in (0, 1, 3, 4, 5, 6)]
    assert lengths == [1, 1, 0, 0, 4, 1]  # three newer ones, 60 ms: the gap and all three
    assert buffer.counts.lost == 1


def test_a_packet_that_comes_too_late_is_dropped() -> None:
    buffer = JitterBuffer(SIZE)
    assert played(buffer, [0, 2, 3, 4, 1, 5]) == [1, 0, 3, 4, 5, 6]
    assert (buffer.counts.lost, buffer.counts.dropped) == (1, 1)


def test_a_packet_that_comes_twice_is_played_once() -> None:
    buffer = JitterBuffer(SIZE)
    assert played(buffer, [0, 0, 1, 3, 3, 1, 2, 4]) == [1, 2, 3, 4, 5]
    assert buffer.counts.dropped == 3


def test_the_end_of_the_stream_returns_the_packets_that_waited() -> None:
    buffer = JitterBuffer(SIZE)
    buffer.put(0, packet(0))
    assert len(buffer.put(2, packet(2))) == 0
    assert np.array_equal(buffer.flush(), np.concatenate((np.zeros(SIZE, np.int16), packet(2))))
    assert len(buffer.flush()) == 0


def test_timestamps_serve_as_packet_numbers_even_if_they_are_slightly_off() -> None:
    buffer = JitterBuffer(SIZE, step=20)
    assert played(buffer, [20, 40, 61, 79, 120, 100, 160, 180, 201], step=20) == [
        2,
        3,
        4,
        4,
        6,
        7,
        0,
        9,
        10,
        11,
    ]


def test_timestamps_that_drift_from_the_step_lose_no_packet() -> None:
    buffer = JitterBuffer(SIZE, step=20)
    played(buffer, [round(number * 21.4) for number in range(2_000)], step=20)
    assert (buffer.counts.lost, buffer.counts.dropped, buffer.counts.restarts) == (0, 0, 0)


@pytest.mark.parametrize("last", [2**16 - 1, 2**32 - 1])
def test_sequence_numbers_that_wrap_around_lose_no_audio(last: int) -> None:
    numbers = [last - 2, last - 1, last, 0, 1, 2]
    buffer = JitterBuffer(SIZE)
    assert played(buffer, numbers) == [number % 30_000 + 1 for number in numbers]
    assert buffer.counts.lost == 0


def test_a_sender_that_restarts_its_numbers_is_received_again() -> None:
    buffer = JitterBuffer(SIZE)
    output = played(buffer, [*range(30), *range(100)])
    assert output[-80:] == list(range(21, 101))
    assert buffer.counts.restarts == 1


def test_one_wrong_sequence_number_loses_no_audio() -> None:
    buffer = JitterBuffer(SIZE)
    assert played(buffer, [0, 1, 10**30, 2, 3, -(10**30), 4]) == [
        1, 2, 10**30 % 30_000 + 1, 3, 4, -(10**30) % 30_000 + 1, 5,
    ]  # fmt: skip


def test_a_gap_of_any_length_adds_at_most_a_second_of_silence() -> None:
    buffer = JitterBuffer(SIZE)
    buffer.put(0, packet(0))
    for number in (10**18, 2 * 10**18, 51, 102, 10**300):
        assert len(buffer.put(number, packet(0))) <= (50 + 3) * SIZE


NUMBERS = st.one_of(st.integers(0, 60), st.integers(-(10**6), 10**6), st.integers())


@given(st.lists(NUMBERS, max_size=80), st.sampled_from([1, 20, 160]))
def test_memory_is_bounded_and_every_packet_is_accounted_for_under_any_input(
    numbers: list[int], step: int
) -> None:
    buffer = JitterBuffer(SIZE, step=step)
    output = 0
    for number in numbers:
        ready = buffer.put(number, np.ones(SIZE, np.int16))
        assert len(ready) <= (50 + 4) * SIZE
        output += np.count_nonzero(ready)
        held = buffer.counts.received - buffer.counts.dropped - output // SIZE
        assert 0 <= held < 3
    output += np.count_nonzero(buffer.flush())
    assert output == (len(numbers) - buffer.counts.dropped) * SIZE


@given(st.permutations(range(12)), st.sets(st.integers(1, 11)))
def test_audio_is_never_out_of_order_while_numbers_are_near(
    order: list[int], lost: set[int]
) -> None:
    buffer = JitterBuffer(SIZE)
    numbers = [0, *(number for number in order if number and number not in lost)]
    output = [number for number in played(buffer, numbers) if number]
    if buffer.counts.restarts == 0:
        assert output == sorted(output)
