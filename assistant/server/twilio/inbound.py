"""The messages from Twilio in a call, and whatever else may arrive instead."""

from __future__ import annotations

import anyio

from assistant.audio.g711 import MU_LAW
from assistant.audio.jitter_buffer import JitterBuffer
from assistant.live.clock import Clock
from assistant.server.http.websockets import NORMAL, REFUSED, TOO_LARGE
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


async def next_frame(line: Line) -> Frame | None:
    """The next message that means something; None once the line is closed, as it is for messages
    that are not Twilio's.
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
    return None


async def first_start(line: Line, clock: Clock) -> Start | None:
    """Returns the message that begins a call; None if another one comes, or none in time."""

    async def expire() -> None:
        await clock.sleep_until(until)
        line.close(REFUSED, "no call has started")

    until = clock.now() + START_S
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(expire)
        frame = await next_frame(line)
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

    async def run(self) -> None:
        """Reads until the socket is closed, or the call is over."""
        while (frame := await next_frame(self._line)) is not None:
            try:
                over = self._take(frame)
            except FrameError as error:
                self._line.close(REFUSED, str(error))
                return
            if over:
                return
            await self._wait_for_time()

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
        if media.media.track not in ("inbound", "inbound_track"):
            return
        samples = MU_LAW.decode(media.media.audio())
        self.last_media_at = self._clock.now()
        self._received_s += len(samples) / SAMPLE_RATE
        live = self._call.live
        for response_id, seconds in self._call.playout.played_by_response():
            live.played(response_id, seconds)
        if media.media.chunk is not None:
            samples = self._packets.put(media.media.chunk, samples)
        if not self._call.ignores_input:
            live.push_audio(samples)

    async def _wait_for_time(self) -> None:
        ahead_s = self._began + self._received_s - self._clock.now()
        if ahead_s > AHEAD_S:
            await self._clock.sleep_until(self._clock.now() + ahead_s - AHEAD_S + 1.0)
