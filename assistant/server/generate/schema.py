"""POST /generate, as vox-serve has it: JSON, or a form with or without a file."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile

from assistant.server.http.errors import ApiError, describe_invalid


def _none_if_empty(value: Any) -> Any:
    return None if value == "" else value


class GenerateRequest(BaseModel):
    """`text` alone is read aloud. With `audio`, or `audio_path` on the server's disk, both are a
    question, and the response is spoken. `language` and `speaker` name the voice.
    """

    model_config = ConfigDict(extra="ignore", arbitrary_types_allowed=True)

    text: str
    audio: Annotated[UploadFile | None, BeforeValidator(_none_if_empty)] = None
    audio_path: str | None = None
    streaming: Annotated[bool, BeforeValidator(lambda value: value or False)] = False
    language: Annotated[str, Field(max_length=35)] | None = None
    speaker: Annotated[str, Field(max_length=200)] | None = None


FIELDS = {
    "text": {"type": "string", "minLength": 1},
    "audio_path": {"type": "string"},
    "streaming": {"type": "boolean", "default": False},
    "language": {"type": "string"},
    "speaker": {"type": "string"},
}
_JSON = {"type": "object", "required": ["text"], "properties": FIELDS}
_FORM = {**_JSON, "properties": {**FIELDS, "audio": {"type": "string", "format": "binary"}}}
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _JSON},
            "application/x-www-form-urlencoded": {"schema": _JSON},
            "multipart/form-data": {"schema": _FORM},
        },
    }
}
"""The body in the API's description: FastAPI knows only one kind of body per route."""


def parse_json(body: bytes) -> dict[str, Any]:
    """Raises ApiError."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise ApiError("The body is not valid JSON.", status=422) from None
    if not isinstance(value, dict):
        raise ApiError("The body must be a JSON object.", status=422)
    return value


def validate(fields: dict[str, Any]) -> GenerateRequest:
    """Raises ApiError."""
    try:
        request = GenerateRequest.model_validate(fields)
    except ValidationError as error:
        message, param = describe_invalid(error.errors())
        raise ApiError(message, status=422, param=param) from None
    if not request.text.strip():
        raise ApiError("text: there is nothing to say", status=422, param="text")
    return request
