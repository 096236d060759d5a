"""The engine for trying out, plugin work and tests: no weights, no GPU, a few MB.

    audio -> recognizer (pocketsphinx) -> planner -> tool calls as text -> parser
    text --------------------------------^    \\-> sentences -> speaking (espeak-ng)

It understands requests for tools and nothing else, and says so.
"""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing

from assistant.engines.base import EngineOutput, EngineRequest, Finish
from assistant.engines.embedded.asr import SpeechRecognizer
from assistant.engines.embedded.conversation import (
    EmbeddedState,
    Outputs,
    answer,
    last_user,
    transcribe,
)
from assistant.engines.embedded.synthesis import speak
from assistant.engines.worker_threads import WorkerThreads
from assistant.errors import AudioError, UnsupportedError
from assistant.events import TextDelta
from assistant.messages import AssistantMessage, UserMessage

_NEEDS_MODEL = {
    "translate": "translate speech or text",
    "interpret": "interpret",
    "describe": "describe sounds",
    "continue": "continue text or audio",
}


_STEPS = 32
"""The recognizer processes of all conversations together."""


class EmbeddedEngine:
    """The engine `embedded`: understands English, calls tools, and speaks all languages of
    espeak-ng.
    """

    name = "embedded"

    def __init__(self) -> None:
        # A step that waits for a recognizer occupies a thread: short steps must not wait behind it.
        self._threads = WorkerThreads(_STEPS)
        self._recognizer = SpeechRecognizer(min(os.cpu_count() or 1, 4))

    def new_state(self) -> EmbeddedState:
        return EmbeddedState()

    async def stream(
        self, request: EngineRequest, state: EmbeddedState
    ) -> AsyncGenerator[EngineOutput, None]:
        outputs = self._threads.stream(lambda stop: self._outputs(request, state, stop))
        async with aclosing(outputs):
            async for output in outputs:
                yield output

    def warm_up(self) -> None:
        self._recognizer.warm_up()
        # One answer loads the rest: word lists, the languages' model, the synthesizer.
        request = EngineRequest((UserMessage(("What can you do?",)),))
        for _ in self._outputs(request, self.new_state(), threading.Event()):
            pass

    def truncate(self, message: AssistantMessage, seconds: float) -> None:
        """Makes its audio of text; time tells as well."""

    async def aclose(self) -> None:
        """Nothing is held that the garbage collector doesn't free."""

    def _outputs(
        self, request: EngineRequest, state: EmbeddedState, stop: threading.Event
    ) -> Outputs:
        if request.task in _NEEDS_MODEL:
            raise UnsupportedError(
                f"the embedded engine can't {_NEEDS_MODEL[request.task]}",
                hint="the engine step-audio-2 can: assistant doctor says how to get it",
            )
        if request.task == "transcribe":
            return self._transcribe(request, stop)
        if request.task == "read":
            return _read(request, stop)
        return answer(request, state, self._recognizer, stop)

    def _transcribe(self, request: EngineRequest, stop: threading.Event) -> Outputs:
        """Yields the words of the last user message's audio as text; empty if there is no
        speech.
        """
        recognition = transcribe(last_user(request.messages), self._recognizer, stop)
        if not recognition.clear:
            raise AudioError(
                "the speech could not be understood",
                hint="the embedded engine recognizes clear English only; step-audio-2 knows more",
            )
        if recognition.text:
            yield TextDelta(recognition.text)
        yield Finish()


def _read(request: EngineRequest, stop: threading.Event) -> Outputs:
    """Speaks the last user message's text as it stands."""
    text = last_user(request.messages).text
    yield from speak(text, request.voice, stop, language=request.language, aloud=request.speak)
    yield Finish()
