"""Builds the prompt of a request, within the window."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from assistant.audio.samples import Audio
from assistant.config import StepAudio2Settings
from assistant.engines.base import EngineRequest
from assistant.engines.parser import OPEN
from assistant.engines.step_audio_2.compaction import Plan, audio_in, plans
from assistant.engines.step_audio_2.parser import THINK_CLOSE, THINK_OPEN
from assistant.engines.step_audio_2.prompt import (
    AudioEmbeddingCache,
    Part,
    Prompt,
    PromptWriter,
    Text,
)
from assistant.engines.step_audio_2.sizes import AudioSizes
from assistant.engines.step_audio_2.state import State
from assistant.engines.step_audio_2.tasks import TRANSCRIBE, instruction
from assistant.engines.step_audio_2.template import ChatTemplate, write_plain
from assistant.engines.step_audio_2.tokens import Mark, Tokenizer
from assistant.errors import EngineError
from assistant.messages import (
    Message,
    SystemMessage,
    ToolMessage,
    ToolSchema,
    UserMessage,
)

Transcribe = Callable[[Audio], str]
TOOL_CALL = Mark(OPEN)
CALL_START = (TOOL_CALL, "function\n")
"""The prefix of a response that must be a call; the model continues with the name."""


class Prompter:
    """Knows the template, the window, and when to compact."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        sizes: AudioSizes,
        settings: StepAudio2Settings,
        *,
        window: int,
        is_base: bool,
    ) -> None:
        self._tokenizer, self._sizes, self._settings = tokenizer, sizes, settings
        self.window = window
        self._is_base = is_base

    def task(self, request: EngineRequest, opening: Sequence[Part]) -> Prompt:
        """Returns the prompt of a task about the last message alone, or of a continuation."""
        messages: list[Message] = list(request.messages)
        if request.task not in ("answer", "continue"):
            message = _last_user_message(request)
            # A base model's instruction is set off from what it is about by a line feed.
            end = "\n" if self._is_base else ""
            system = SystemMessage(instruction(request, message) + end)
            messages = [system, message]
        return self._checked(self._written(messages, (), opening, AudioEmbeddingCache()), room=1)

    def transcription(self, audio: Audio) -> Prompt:
        messages: list[Message] = [SystemMessage(TRANSCRIBE), UserMessage((audio,))]
        return self._checked(self._written(messages, (), (), AudioEmbeddingCache()), room=1)

    def conversation(
        self,
        request: EngineRequest,
        state: State,
        opening: Sequence[Part],
        *,
        room: int,
        transcribe: Transcribe,
    ) -> Prompt:
        """Returns the prompt of a conversation, with `room` for the response; compacts old turns.

        Raises EngineError if the newest turn alone is too long.
        """
        messages = _in_language(request.messages, request.language)
        state.forget_all_but(audio_in(messages))
        state.tools = self._tools(request, state)
        if not state.plan.fits(messages):
            state.plan = Plan()

        def written(plan: Plan) -> Prompt:
            told = plan.apply(messages, transcribe)
            return self._written(told, state.tools, opening, state.audio_cache)

        prompt = written(state.plan)
        if len(prompt) + room <= self.window:
            return prompt
        state.plan, prompt = self._compacted(messages, state.plan, written, room)
        return self._checked(prompt, room)

    def _compacted(
        self,
        messages: Sequence[Message],
        current: Plan,
        written: Callable[[Plan], Prompt],
        room: int,
    ) -> tuple[Plan, Prompt]:
        """Down to half the window, so that the next time is far; if that can't be, what fits."""
        best: tuple[Plan, Prompt] | None = None
        for plan in plans(messages):
            if plan.compacted < current.compacted or plan.dropped < current.dropped:
                continue
            prompt = written(plan)
            if len(prompt) <= self.window // 2:
                return plan, prompt
            if best is None or len(best[1]) + room > self.window:
                best = plan, prompt
        return best or (current, written(current))

    def _tools(self, request: EngineRequest, state: State) -> tuple[ToolSchema, ...]:
        """Returns the tools; they stay in a round without tools, so that the cached prefix stays
        valid.

        Calls are banned then (see `banned`).
        """
        return state.tools if self._keeps_schemas(request) else tuple(request.tools)

    def banned(self, request: EngineRequest) -> list[int]:
        token = self._tokenizer.id_of(TOOL_CALL)
        return [token] if token is not None and not request.tools else []

    def _keeps_schemas(self, request: EngineRequest) -> bool:
        in_turn = bool(request.messages) and isinstance(request.messages[-1], ToolMessage)
        return in_turn and bool(self.banned(request))

    def _written(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSchema],
        opening: Sequence[Part],
        audio_cache: AudioEmbeddingCache,
    ) -> Prompt:
        writer = PromptWriter(self._tokenizer, self._sizes, audio_cache)
        if self._is_base:
            write_plain(writer, messages, self._tokenizer.special)
            writer.write(*opening)
            return writer.prompt
        template = ChatTemplate(writer, self._tokenizer.special, self._settings)
        template.write(messages, tools)
        return template.open_turn(*opening)

    def _checked(self, prompt: Prompt, room: int) -> Prompt:
        if not len(prompt):
            raise EngineError("there is nothing to go on from", hint="give a text or a recording")
        if len(prompt) + room > self.window:
            message = f"the input is too long: {len(prompt)} positions of {self.window}"
            raise EngineError(message, hint="send a shorter recording or text, or fewer tools")
        return prompt


def _last_user_message(request: EngineRequest) -> UserMessage:
    message = request.messages[-1] if request.messages else None
    if not isinstance(message, UserMessage):
        hint = "put what is to be worked on into a user message at the end"
        raise EngineError(f"{request.task}: there is nothing to work on", hint=hint)
    return message


def _in_language(messages: Sequence[Message], language: str) -> list[Message]:
    """Appends the request for a language to the system message."""
    told = list(messages)
    if not language:
        return told
    instruction_text = f"Answer in the language with the tag {language}."
    if told and isinstance(told[0], SystemMessage):
        told[0] = SystemMessage(f"{told[0].text}\n{instruction_text}")
        return told
    return [SystemMessage(instruction_text), *told]


# The variant `think` was trained on a thought before the answer:
# <|BOT|>assistant\n\n<think>\n ... </think>\n\n<tts_start>
THINK_OPENING: tuple[Text, ...] = ("\n", Mark(THINK_OPEN), "\n")
_AFTER = "\n\n"


def closed_thought(tokenizer: Tokenizer, generated: Sequence[int]) -> list[int]:
    """The ids of a thought with its end in the trained form.

    The token that ended it may hold more than the end (`>` and line feeds are one token), so the
    last one is encoded again. A thought that did not come to its end is ended.
    """
    kept, last = list(generated[:-1]), generated[-1:]
    before, text = tokenizer.decode(kept), tokenizer.decode(generated)
    end = text.find(THINK_CLOSE)
    if end < 0:
        return [*kept, *last, *tokenizer.encode("\n", Mark(THINK_CLOSE), _AFTER)]
    rest = text[len(before) : end + len(THINK_CLOSE)]
    return [*kept, *tokenizer.encode(Mark(rest) if rest == THINK_CLOSE else rest, _AFTER)]
