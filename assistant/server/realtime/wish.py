"""What a response is to be: the session's values, and what response.create says instead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from assistant.audio import Voice
from assistant.config import Sampling
from assistant.messages import ToolSchema
from assistant.server.wire.realtime_client import ResponseConfig
from assistant.server.wire.realtime_session import AudioFormat, MaxTokens, SessionConfig, choice_of
from assistant.session import Session


@dataclass(frozen=True)
class Wish:
    """`instructions`, `tools` and `voice` are None where the session's hold."""

    speaks: bool
    form: AudioFormat
    max_tokens: MaxTokens
    choice: str
    instructions: str | None = None
    tools: dict[str, ToolSchema] | None = None
    voice: Voice | None = None
    metadata: dict[str, str] | None = None
    apart: bool = field(default=False)

    @classmethod
    def of(
        cls, config: SessionConfig, asked: ResponseConfig | None = None, voice: Voice | None = None
    ) -> Wish:
        asked = asked or ResponseConfig()
        output = asked.audio.output if asked.audio else None
        has_format = output is not None and "format" in output.model_fields_set
        speaks = asked.output_modalities or config.output_modalities
        choice = config.tool_choice if asked.tool_choice is None else asked.tool_choice
        tools = asked.tools
        return cls(
            speaks=speaks == ("audio",),
            form=output.format if output and has_format else config.audio.output.format,
            max_tokens=asked.max_output_tokens or config.max_output_tokens,
            choice=choice_of(choice),
            instructions=asked.instructions,
            tools=None if tools is None else {tool.name: tool.schema_of() for tool in tools},
            voice=voice,
            metadata=asked.metadata,
            apart=asked.apart,
        )

    def sampling(self, default: Sampling) -> Sampling | None:
        if self.max_tokens == "inf":
            return None
        return default.model_copy(update={"max_tokens": self.max_tokens})

    def apply(self, session: Session) -> None:
        """For good."""
        session.speak = self.speaks
        if self.instructions is not None:
            session.system_prompt = self.instructions
        if self.tools is not None:
            session.client_tools = self.tools
        if self.voice is not None:
            session.voice = self.voice

    @contextmanager
    def applied(self, session: Session) -> Iterator[None]:
        """For one turn. A voice that a tool took meanwhile stays."""
        before = session.speak, session.system_prompt, session.client_tools, session.voice
        self.apply(session)
        try:
            yield
        finally:
            session.speak, session.system_prompt, session.client_tools, voice = before
            if self.voice is not None and session.voice == self.voice:
                session.voice = voice
