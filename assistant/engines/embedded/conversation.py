"""One step of the embedded engine: transcribe, plan, say a lead-in, call; or tell the results."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace

from assistant.audio.samples import Audio
from assistant.engines.base import EngineOutput, EngineRequest, Finish
from assistant.engines.embedded import answers
from assistant.engines.embedded.arguments import fill_answer
from assistant.engines.embedded.asr import Recognition, SpeechRecognizer
from assistant.engines.embedded.effort import Effort
from assistant.engines.embedded.follow_up import follow_up
from assistant.engines.embedded.languages import detect
from assistant.engines.embedded.phrases import lead_in, phrase, small_talk
from assistant.engines.embedded.planner import Request, best_guess, plan
from assistant.engines.embedded.rescoring import understood
from assistant.engines.embedded.synthesis import speak
from assistant.engines.parser import ToolCallParser, format_call, new_call_id
from assistant.events import Transcript
from assistant.messages import (
    AssistantMessage,
    Message,
    ToolCall,
    ToolMessage,
    ToolSchema,
    UserMessage,
)

_BREAKS_OFF = ("thanks", "bye", "who", "can_do")  # small talk that is no answer to a question

Outputs = Generator[EngineOutput, None, None]


@dataclass
class EmbeddedState:
    """The engine's state of a conversation. Losing it does no harm."""

    lead_in: str = ""  # the last one
    asked: str = ""  # the question put to the user,
    about: Request | None = None  # and the request that waits for its answer
    language: str = ""  # the user's, empty if unknown
    waiting: list[Request] = field(default_factory=list)  # to be asked about after the results

    def copy(self) -> EmbeddedState:
        return replace(self)  # its lists are exchanged, never changed


def answer(
    request: EngineRequest,
    state: EmbeddedState,
    recognizer: SpeechRecognizer,
    stop: threading.Event,
) -> Outputs:
    """Goes on with the conversation, as Engine.stream says."""
    results = _results(request.messages)
    if results:
        yield from _tell(request, state, results, stop)
        return
    user = last_user(request.messages)
    recognition = transcribe(user, recognizer, stop)
    if stop.is_set():
        return
    typed = _typed(user)
    state.language = request.language or _language(typed, state.language)
    text, requests = _requests(typed, recognition, request, state, stop)
    if request.must_call and all(one.missing for one in requests):
        guess = best_guess(text, request.tools)
        requests = (guess,) if guess else requests
    clear = recognition.clear or bool(requests) or bool(typed)
    if _audio_of(user):
        yield Transcript(text.removeprefix(typed).strip() if clear else "")
    if requests:
        yield from _call(request, state, requests, stop)
        return
    said = _without_tools(text, clear, request, state)
    yield from _say(said, request, state, stop)
    yield Finish()


def _language(typed: str, previous: str) -> str:
    """Returns the language that the user typed, or English, which the recognizer understands."""
    return small_talk(typed)[1] or (detect(typed, previous) if typed else "en")


def transcribe(
    user: UserMessage, recognizer: SpeechRecognizer, stop: threading.Event
) -> Recognition:
    """Transcribes all audio in the message."""
    recognition = [recognizer.transcribe(audio, stop) for audio in _audio_of(user)]
    if len(recognition) == 1:
        return recognition[0]
    text = " ".join(one.text for one in recognition if one.text)
    return Recognition(text, all(one.clear for one in recognition))


def _say(text: str, request: EngineRequest, state: EmbeddedState, stop: threading.Event) -> Outputs:
    yield from speak(
        text,
        request.voice,
        stop,
        language=request.language,
        user_language=state.language,
        aloud=request.speak,
    )


def _requests(
    typed: str,
    recognition: Recognition,
    request: EngineRequest,
    state: EmbeddedState,
    stop: threading.Event,
) -> tuple[str, Sequence[Request]]:
    """Returns the user's words, and the requests in them.

    A reply to the engine's question completes the request before it.
    """
    text = " ".join(filter(None, (typed, recognition.text)))
    effort = Effort(stopped=stop.is_set)
    about, state.about = state.about, None
    if (
        about
        and state.asked == _last_said(request.messages)
        and small_talk(text)[0] not in _BREAKS_OFF
    ):
        completed = _completed(about, text, request.tools, effort)
        if completed:
            return text, (completed,)
    same_again = follow_up(text, request.messages, request.tools, effort)
    if same_again:
        return text, (same_again,)
    if not typed:
        return understood(recognition, request.tools, stop.is_set)
    return text, () if small_talk(text)[0] else plan(text, request.tools, effort)


def _completed(
    about: Request, text: str, tools: Sequence[ToolSchema], effort: Effort
) -> Request | None:
    """Returns the request with the argument in the text; None if the text is about
    something else.
    """
    if about.tool not in tools:
        return None
    other = plan(text, tools, effort)
    if other and not other[0].missing and other[0].score > 0.6:
        return None
    parameter, *rest = about.missing
    value = fill_answer(text, parameter)
    if value is None:
        return None
    arguments = {**about.arguments, parameter.name: value}
    return Request(about.tool, arguments, tuple(rest), about.score)


def _call(
    request: EngineRequest, state: EmbeddedState, requests: Sequence[Request], stop: threading.Event
) -> Outputs:
    """Calls what is complete, and asks about the rest: now, or after the results."""
    complete = [one for one in requests if not one.missing]
    state.waiting = [one for one in requests if one.missing]
    if not complete:
        yield from _ask(request, state, "", stop)
        yield Finish()
        return
    state.lead_in = _lead_in(complete, request.language or state.language, state.lead_in)
    yield from _say(state.lead_in, request, state, stop)
    if stop.is_set():
        return
    yield from _parsed("".join(map(_as_written, complete)))
    yield Finish("tool_calls")


def _lead_in(requests: Sequence[Request], language: str, last: str) -> str:
    """Returns the tool's own lead-in if one fits; never the same twice in a row."""
    own = requests[0].tool.lead_in if len(requests) == 1 else ""
    if own and own != last and language.partition("-")[0] in ("", "en"):
        return own
    return lead_in(language, last)


def _parsed(written: str) -> Iterator[EngineOutput]:
    """The calls go the way of every model's calls: as text, through the parser."""
    parser = ToolCallParser()
    yield from parser.feed(written)
    yield from parser.finish()


def _as_written(request: Request) -> str:
    arguments = json.dumps(request.arguments, ensure_ascii=False)
    return format_call(ToolCall(new_call_id(), request.tool.name, arguments))


def _tell(
    request: EngineRequest,
    state: EmbeddedState,
    results: Sequence[ToolMessage],
    stop: threading.Event,
) -> Outputs:
    language = request.language or state.language
    yield from _ask(request, state, answers.told(results, language), stop)
    yield Finish()


def _ask(
    request: EngineRequest, state: EmbeddedState, before: str, stop: threading.Event
) -> Outputs:
    """Says `before`, then the question for what is missing, if there is any."""
    language = request.language or state.language
    said = before
    if state.waiting:
        state.about, state.waiting = state.waiting[0], []
        question = answers.ask_for(state.about.missing[0], language)
        said = f"{before} {question}".strip()
    state.asked = said
    yield from _say(said, request, state, stop)


def _without_tools(text: str, clear: bool, request: EngineRequest, state: EmbeddedState) -> str:
    language = request.language or state.language
    if not clear:
        return phrase("unclear", language)
    if not text.strip():
        return phrase("not_heard", language)
    topic, _ = small_talk(text)
    if topic and topic != "can_do":
        return phrase(topic, language)
    if topic:
        return answers.can_do(request.tools, language)
    return answers.no_tool(request.tools, language)


def _results(messages: Sequence[Message]) -> list[ToolMessage]:
    """The results that the conversation ends with."""
    results: list[ToolMessage] = []
    for message in reversed(messages):
        if not isinstance(message, ToolMessage):
            break
        results.append(message)
    return results[::-1]


def last_user(messages: Sequence[Message]) -> UserMessage:
    users = (message for message in reversed(messages) if isinstance(message, UserMessage))
    return next(users, UserMessage(()))


def _last_said(messages: Sequence[Message]) -> str:
    said = (message for message in reversed(messages) if isinstance(message, AssistantMessage))
    return next((message.text for message in said), "")


def _typed(user: UserMessage) -> str:
    return " ".join(part for part in user.parts if isinstance(part, str))


def _audio_of(user: UserMessage) -> list[Audio]:
    return [part for part in user.parts if isinstance(part, Audio)]
