"""Lead-ins: when a phrase is said while a tool runs, which phrase, and saying it.

A phrase takes about one second. It helps if it fills a silence that would feel long, and disturbs
if the response is about to come. The duration of each tool is learned from its calls, as two
quantiles: the time within which few calls return, and the time within which most do.

    few return within 0.7 s      a slow tool     say it early, after 0.3 s: the response won't come
                                                 before the phrase is over
    most return within 1.4 s     a fast tool     wait for twice what most need, 1.4 s at most: this
                                                 call is an exception then, and the phrase rarely
                                                 collides with the response
    neither, or not known        any tool        say it when the silence feels long, after 0.7 s
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Iterable
from random import Random

from anyio.abc import TaskGroup

from assistant.audio.samples import OUTPUT_RATE
from assistant.errors import AssistantError
from assistant.events import ToolCallFinished, ToolCallStarted
from assistant.lead_in_phrases import lead_ins
from assistant.live.clock import Clock
from assistant.live.events import LeadInAudio, LiveEvent
from assistant.live.phrase_cache import PhraseCache
from assistant.live.response import Response
from assistant.messages import ToolSchema, UserMessage
from assistant.session import Session
from assistant.turn.event_queue import EventQueue

PATIENCE_S = 0.7
"""A longer silence feels long."""
EARLY_S = 0.3
LATE_S = 1.4
"""Nobody waits longer for a phrase."""

_FEW, _MOST = 0.3, 0.8
_SHORTEST_S, _LONGEST_S = 0.1, 10.0
"""Durations outside of these limits, in seconds, are clamped: they make no difference."""
_CALLS_TO_JUDGE = 3
_LAST_CALLS = 10
"""The number of last calls that have most of the weight."""
_CHOICE = 0.5
"""This share of a language's phrases, those not said for longest, are chosen from."""
_TOOLS_KEPT = 1024
_LANGUAGES_KEPT = 64
_NAME_CHARS = 64

_SCRIPTS = {
    "ja": re.compile("[\u3040-\u30ff]"),
    "zh": re.compile("[\u3400-\u9fff]"),
    "ko": re.compile("[\uac00-\ud7af]"),
    "ru": re.compile("[\u0400-\u04ff]"),
}


class LeadIns:
    """Chooses lead-ins for all conversations of a server, which share what is learned about tools.

    The same seed leads to the same phrases.
    """

    def __init__(self, phrases: PhraseCache, seed: int = 0) -> None:
        self.phrases = phrases
        self._random = Random(seed)
        self._durations: OrderedDict[str, _Duration] = OrderedDict()
        self._said: OrderedDict[str, list[str]] = OrderedDict()

    def limit_s(self, tool: str) -> float:
        """Returns how long to wait for the tool before a phrase is said, in seconds."""
        known = self._durations.get(tool[:_NAME_CHARS])
        if known is None or known.calls < _CALLS_TO_JUDGE:
            return PATIENCE_S
        if known.few_s > PATIENCE_S:
            return EARLY_S
        if known.most_s <= LATE_S:
            return min(max(PATIENCE_S, 2 * known.most_s), LATE_S)
        return PATIENCE_S

    def observed(self, tool: str, seconds: float) -> None:
        """Records how long a call of the tool took, in seconds."""
        if not math.isfinite(seconds):
            return
        name = tool[:_NAME_CHARS]
        known = self._durations.setdefault(name, _Duration())
        known.add(min(max(seconds, _SHORTEST_S), _LONGEST_S))
        self._durations.move_to_end(name)
        while len(self._durations) > _TOOLS_KEPT:
            self._durations.popitem(last=False)

    def next(self, tool: ToolSchema | None, language: str, last: str) -> str:
        """Returns the next phrase: the tool's own in English, otherwise never `last`.

        Among the others, a phrase that was not used for some time is drawn at random: a fixed order
        would seem mechanical.
        """
        base = language.lower().partition("-")[0]
        own = tool.lead_in.strip() if tool is not None else ""
        if own and own != last and base in ("", "en"):
            return own
        oldest_first = self._phrases_of(base)
        options = [text for text in oldest_first if text != last]
        chosen = self._random.choice(options[: 1 + round(len(options) * _CHOICE)])
        oldest_first.remove(chosen)
        oldest_first.append(chosen)
        return chosen

    def texts(self, tools: Iterable[ToolSchema], language: str) -> list[str]:
        """All that may be said while one of these tools runs, for `PhraseCache.prepare`."""
        base = language.lower().partition("-")[0]
        own = [tool.lead_in.strip() for tool in tools] if base in ("", "en") else []
        return list(dict.fromkeys([*filter(None, own), *lead_ins(base)]))

    def _phrases_of(self, language: str) -> list[str]:
        """Those of the language, the one said last at the end."""
        said = self._said.setdefault(language, list(lead_ins(language)))
        self._said.move_to_end(language)
        while len(self._said) > _LANGUAGES_KEPT:
            self._said.popitem(last=False)
        return said


class _Duration:
    """Two quantiles of a tool's duration, in which the last calls have the most weight.

    Each call moves an estimate up by its share of a step, or down by the rest of it: the estimate
    settles at the value that this share of the calls stays below. Logarithms let milliseconds and
    seconds be learned equally fast; the first steps are longer.
    """

    def __init__(self) -> None:
        self.calls = 0
        self._few = self._most = 0.0  # logarithms of seconds

    @property
    def few_s(self) -> float:
        return math.exp(self._few)

    @property
    def most_s(self) -> float:
        return math.exp(self._most)

    def add(self, seconds: float) -> None:
        value = math.log(seconds)
        self.calls += 1
        if self.calls == 1:
            self._few = self._most = value
            return
        step = 2 / min(self.calls, _LAST_CALLS)
        self._few += step * (_FEW if value > self._few else _FEW - 1)
        self._most += step * (_MOST if value > self._most else _MOST - 1)


def language_by_script(text: str) -> str:
    """Returns zh, ja, ko or ru if the script tells, else an empty string; for sessions without a
    language.
    """
    return next((tag for tag, letters in _SCRIPTS.items() if letters.search(text)), "")


class LeadInPlayer:
    """Says a lead-in while a slow tool of one conversation runs.

    At most once per response, and never if the model has said something before its call.
    """

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
        self._tasks: TaskGroup

    def open(self, tasks: TaskGroup) -> None:
        """Starts to render the phrases; called once, before everything else."""
        self._tasks = tasks
        tasks.start_soon(self.prepare)

    def tool_started(self, response: Response, event: ToolCallStarted) -> None:
        response.tools += 1
        if self._lead_ins is not None and response.tools == 1 and not response.has_output:
            self._tasks.start_soon(self._wait, response, event.name, self._lead_ins)

    def tool_finished(self, response: Response, event: ToolCallFinished) -> None:
        response.tools -= 1
        if self._lead_ins is not None and event.outcome in ("ok", "timeout"):
            self._lead_ins.observed(event.name, event.seconds)

    async def prepare(self) -> None:
        """Renders the phrases in the current voice, so that they play without a delay."""
        if self._lead_ins is not None:
            language = self._session.language
            texts = self._lead_ins.texts(self._session.tools.values(), language)
            await self._lead_ins.phrases.prepare(texts, self._session.voice, language)

    async def _wait(self, response: Response, name: str, lead_ins: LeadIns) -> None:
        await self._clock.sleep_until(self._clock.now() + lead_ins.limit_s(name))
        if not self._is_silent(response):
            return
        language = self._language()
        text = lead_ins.next(self._session.tools.get(name), language, self._last)
        try:
            samples = await lead_ins.phrases.audio(text, self._session.voice, language)
        except AssistantError:  # logged where it failed
            return
        if self._is_silent(response):
            self._last = text
            response.has_output = True
            response.playback.sent(len(samples) / OUTPUT_RATE, self._clock.now(), own=False)
            await self._out.put(LeadInAudio(response.id, text, samples))

    def _language(self) -> str:
        """Returns the session's language, or the one of the script that the user writes in."""
        said = [m.text for m in self._session.history if isinstance(m, UserMessage)]
        return self._session.language or language_by_script(said[-1] if said else "")

    def _is_silent(self, response: Response) -> bool:
        return response.tools > 0 and not response.has_output and not response.stopped
