"""While a slow tool runs, a short phrase tells that somebody is still there."""

from __future__ import annotations

from anyio.abc import TaskGroup

from assistant.audio.samples import OUTPUT_RATE
from assistant.errors import AssistantError
from assistant.events import ToolCallFinished, ToolCallStarted
from assistant.live.clock import Clock
from assistant.live.events import LeadInAudio, LiveEvent
from assistant.live.lead_ins import LeadIns, language_by_script
from assistant.live.response import Response
from assistant.messages import UserMessage
from assistant.session import Session
from assistant.turn.event_queue import EventQueue


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

    def tool_started(self, answer: Response, event: ToolCallStarted) -> None:
        answer.tools += 1
        if self._lead_ins is not None and answer.tools == 1 and not answer.said:
            self.tasks.start_soon(self._wait, answer, event.name, self._lead_ins)

    def tool_finished(self, answer: Response, event: ToolCallFinished) -> None:
        answer.tools -= 1
        if self._lead_ins is not None and event.outcome in ("ok", "timeout"):
            self._lead_ins.observed(event.name, event.seconds)

    async def prepare(self) -> None:
        """Makes the phrases of the voice that is spoken in ready, so that they start at once."""
        if self._lead_ins is not None:
            language = self._session.language
            texts = self._lead_ins.texts(self._session.tools.values(), language)
            await self._lead_ins.phrases.prepare(texts, self._session.voice, language)

    async def _wait(self, answer: Response, name: str, lead_ins: LeadIns) -> None:
        await self._clock.sleep_until(self._clock.now() + lead_ins.limit_s(name))
        if not self._is_silent(answer):
            return
        language = self._language()
        text = lead_ins.next(self._session.tools.get(name), language, self._last)
        try:
            samples = await lead_ins.phrases.sound(text, self._session.voice, language)
        except AssistantError:  # logged where it failed
            return
        if self._is_silent(answer):
            self._last = text
            answer.said = True
            answer.playback.sent(len(samples) / OUTPUT_RATE, self._clock.now(), own=False)
            await self._out.put(LeadInAudio(answer.id, text, samples))

    def _language(self) -> str:
        """The session's; where it has none, the one of the script that the user writes in."""
        said = [m.text for m in self._session.history if isinstance(m, UserMessage)]
        return self._session.language or language_by_script(said[-1] if said else "")

    def _is_silent(self, answer: Response) -> bool:
        return answer.tools > 0 and not answer.said and not answer.stopped
