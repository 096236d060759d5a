"""Types that several of OpenAI's endpoints share: lenient models, function tools, voice names."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from assistant.messages import ToolSchema


class Lenient(BaseModel):
    """A model that ignores unknown fields: every client has some of its own."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class ToolFunction(Lenient):
    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,128}$")
    description: str | None = None
    parameters: dict[str, Any] | None = None


class ClientTool(Lenient):
    type: Literal["function"] = "function"
    function: ToolFunction

    def schema_of(self) -> ToolSchema:
        function = self.function
        parameters = function.parameters or {"type": "object", "properties": {}}
        return ToolSchema(function.name, function.description or "", parameters)


class VoiceReference(Lenient):
    id: str


def _voice_id(value: Any) -> Any:
    return value.get("id") if isinstance(value, dict) else value


VoiceName = Annotated[
    Annotated[str, Field(max_length=200)] | None,
    BeforeValidator(_voice_id, json_schema_input_type=str | VoiceReference | None),
]
Language = Annotated[str, Field(max_length=35)]
"""A BCP 47 tag; RFC 5646 asks for room for 35 characters."""
