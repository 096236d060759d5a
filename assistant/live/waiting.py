"""While a slow tool runs, a short phrase tells that somebody is still there."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from anyio.abc import TaskGroup

from assistant.audio import OUTPUT_RATE
from assistant.errors import AssistantError
from assistant.events import ToolCallFinished, ToolCallStarted
from assistant.live.answer import Answer
from assistant.live.clock import Clock
from assistant.live.events import LeadInSound, LiveEvent
from assistant.queue import EventQueue
from assistant.session import Session

if TYPE_CHECKING:
    from assistant.live.lead_in import LeadIns

logger = logging.getLogger(__name__)


class Waiting:
    """Once an answer, and never when the model has said something itself before it called."""

    def __init__(
        self,
        session: Session,
        out: EventQueue[LiveEvent],
        clock: Clock,
        lead_ins: LeadIns | None,
    ) -> None:
        self._session = session
        self._out = out
        self._clock = clock
        self._lead_ins = lead_ins
        self._last = ""
        self.tasks: TaskGroup

    def tool_started(self, answer: Answer, event: ToolCallStarted) -> None:
        answer.tools += 1
        if self._lead_ins is not None and answer.tools == 1 and not answer.said:
            self.tasks.start_soon(self._wait, answer, event.name, self._lead_ins)

    def tool_finished(self, answer: Answer, event: ToolCallFinished) -> None:
        answer.tools -= 1
        if self._lead_ins is not None and event.outcome in ("ok", "timeout"):
            self._lead_ins.observed(event.name, event.seconds)

    async def _wait(self, answer: Answer, name: str, lead_ins: LeadIns) -> None:
        await self._clock.sleep_until(self._clock.now() + lead_ins.limit_s(name))
        if not self._is_silent(answer):
            return
        language, voice = self._session.language, self._session.voice
        tool = self._session.tools.get(name)
        text = lead_ins.next(tool, language, self._last)
        try:
            samples = await lead_ins.phrases.sound(text, voice, language)
        except AssistantError as error:
            logger.warning("No phrase while %s runs: %s", name, error)
            return
        if self._is_silent(answer):
            self._last = text
            answer.said = True
            answer.playback.sent(len(samples) / OUTPUT_RATE, self._clock.now(), own=False)
            await self._out.put(LeadInSound(answer.id, text, samples))

    def _is_silent(self, answer: Answer) -> bool:
        return answer.tools > 0 and not answer.said and not answer.stopped
