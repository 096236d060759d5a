"""The messages from Twilio in a call, and whatever else may arrive instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import anyio

from assistant.audio.g711 import MU_LAW
from assistant.audio.jitter_buffer import JitterBuffer
from assistant.live.clock import Clock
from assistant.server.http.websockets import NORMAL, REFUSED, TOO_LARGE, BytePacer
from assistant.server.twilio.call import Call, Line
from assistant.server.twilio.frames import (
    FRAME_SAMPLES,
    MOST_CHARS,
    SAMPLE_RATE,
    Dtmf,
    Frame,
    FrameError,
    Mark,
    Media,
    Start,
    Stop,
    parse,
)

START_S = 10.0
"""How long a socket may wait with its start message, in seconds."""
AHEAD_S = 20.0
"""How far audio may be ahead of time, in seconds; beyond it, nothing is read for a second."""
MIN_AUDIO_S = 0.01
"""How long the audio of a message counts at least, in seconds; Twilio sends 20 ms."""
MESSAGES_PER_S = 100.0
"""Messages without audio that are read in a second; the next one waits."""
KEY_COST = 8
"""The messages that a pressed key counts: the tones of 12 keys take a second."""
MOST_BEFORE_START = 16


async def next_frame(line: Line, ignored: Callable[[], Awaitable[None]]) -> Frame | None:
    """The next message that means something; None once the line is closed, as it is for messages
    that are not Twilio's. `ignored` is awaited after each one that means nothing.
    """
    while (text := await line.receive()) is not None:
        if len(text) > MOST_CHARS:
            line.close(TOO_LARGE, f"a message has at most {MOST_CHARS} characters")
            return None
        try:
            frame = parse(text)
        except FrameError as error:
            line.close(REFUSED, str(error))
            return None
        if frame is not None:
            return frame
        await ignored()
    return None


async def first_start(line: Line, clock: Clock) -> Start | None:
    """Returns the message that begins a call; None if another one comes, or none in time."""

    left = MOST_BEFORE_START

    async def expire() -> None:
        await clock.sleep_until(until)
        line.close(REFUSED, "no call has started")

    async def ignore() -> None:
        nonlocal left
        left -= 1
        if not left:
            line.close(REFUSED, "a call begins with its start message")

    until = clock.now() + START_S
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(expire)
        frame = await next_frame(line, ignore)
        tasks.cancel_scope.cancel()
    if frame is None or isinstance(frame, Start):
        return frame
    line.close(REFUSED, "a call begins with its start message")
    return None


class InboundAudio:
    """Takes the messages of one call, after its start."""

    def __init__(self, line: Line, start: Start, call: Call, clock: Clock) -> None:
        self.last_media_at = clock.now()
        self._line = line
        self._stream_sid = start.stream_sid
        self._call = call
        self._clock = clock
        self._began = clock.now()
        self._received_s = 0.0
        self._packets = JitterBuffer(FRAME_SAMPLES)
        self._others = BytePacer(MESSAGES_PER_S, now=clock.now)

    async def run(self) -> None:
        """Reads until the socket is closed, or the call is over."""
        ignored = partial(self._wait_for_others, 1)
        while (frame := await next_frame(self._line, ignored)) is not None:
            try:
                over = self._take(frame)
            except FrameError as error:
                self._line.close(REFUSED, str(error))
                return
            if over:
                return
            await self._wait_for_time()
            if not isinstance(frame, Media) or not self._carries_audio(frame):
                await self._wait_for_others(KEY_COST if isinstance(frame, Dtmf) else 1)

    def _take(self, frame: Frame) -> bool:
        """Handles a message and returns whether the call is over. Raises FrameError."""
        if isinstance(frame, Start):
            raise FrameError("a call has one start message")
        if frame.stream_sid != self._stream_sid:
            return False
        match frame:
            case Media():
                self._push(frame)
            case Dtmf():
                if not self._call.ignores_input:
                    self._call.digits.press(frame.dtmf.digit)
            case Mark():
                self._call.playout.echoed(frame.mark.name)
            case Stop():
                self._call.ended_by = self._call.ended_by or "caller"
                self._line.close(NORMAL)
                return True
        return False

    def _push(self, media: Media) -> None:
        if not self._carries_audio(media):
            return
        samples = MU_LAW.decode(media.media.audio())
        self.last_media_at = self._clock.now()
        self._received_s += max(len(samples) / SAMPLE_RATE, MIN_AUDIO_S)
        live = self._call.live
        for response_id, seconds in self._call.playout.played_by_response():
            live.played(response_id, seconds)
        if media.media.chunk is not None:
            samples = self._packets.put(media.media.chunk, samples)
        if not self._call.ignores_input:
            live.push_audio(samples)

    def _carries_audio(self, media: Media) -> bool:
        """Returns whether the message is audio of the caller, for this stream."""
        inbound = media.media.track in ("inbound", "inbound_track")
        return inbound and media.stream_sid == self._stream_sid

    async def _wait_for_others(self, cost: int) -> None:
        """Counts a message without audio, and waits while there are more than Twilio sends."""
        wait_s = self._others.take(cost)
        if wait_s:
            await self._clock.sleep_until(self._clock.now() + wait_s)

    async def _wait_for_time(self) -> None:
        ahead_s = self._began + self._received_s - self._clock.now()
        if ahead_s > AHEAD_S:
            await self._clock.sleep_until(self._clock.now() + ahead_s - AHEAD_S + 1.0)
