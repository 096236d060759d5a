"""The options of one response: the session's values, overridden by response.create."""

from __future__ import annotations

from dataclasses import dataclass, field

from assistant.audio.voice import Voice
from assistant.config import Sampling
from assistant.messages import ToolSchema
from assistant.server.realtime.client_events import ResponseConfig
from assistant.server.realtime.session_config import (
    AudioFormat,
    MaxTokens,
    SessionConfig,
    choice_of,
)
from assistant.turn.options import TurnOptions


@dataclass(frozen=True)
class ResponseOptions:
    """`instructions`, `tools` and `voice` are None if the session's apply."""

    speaks: bool
    format: AudioFormat
    max_tokens: MaxTokens
    choice: str
    instructions: str | None = None
    tools: dict[str, ToolSchema] | None = None
    voice: Voice | None = None
    metadata: dict[str, str] | None = None
    out_of_band: bool = field(default=False)

    @classmethod
    def of(
        cls, config: SessionConfig, asked: ResponseConfig | None = None, voice: Voice | None = None
    ) -> ResponseOptions:
        asked = asked or ResponseConfig()
        output = asked.audio.output if asked.audio else None
        has_format = output is not None and "format" in output.model_fields_set
        speaks = asked.output_modalities or config.output_modalities
        choice = config.tool_choice if asked.tool_choice is None else asked.tool_choice
        tools = asked.tools
        return cls(
            speaks=speaks == ("audio",),
            format=output.format if output and has_format else config.audio.output.format,
            max_tokens=asked.max_output_tokens or config.max_output_tokens,
            choice=choice_of(choice),
            instructions=asked.instructions,
            tools=None if tools is None else {tool.name: tool.schema_of() for tool in tools},
            voice=voice,
            metadata=asked.metadata,
            out_of_band=asked.out_of_band,
        )

    def turn_options(self, default: Sampling) -> TurnOptions:
        """Returns the options of the turn; `default` is the settings' sampling."""
        options = TurnOptions(speak=self.speaks, tool_choice=self.choice)
        if self.max_tokens != "inf":
            options["sampling"] = default.model_copy(update={"max_tokens": self.max_tokens})
        if self.instructions is not None:
            options["system_prompt"] = self.instructions
        if self.tools is not None:
            options["client_tools"] = self.tools
        if self.voice is not None:
            options["voice"] = self.voice
        return options
