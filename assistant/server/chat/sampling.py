"""Sampling fields of a request, over those of the settings."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from assistant.config import Sampling
from assistant.server.chat.request import ChatRequest, SamplingFields
from assistant.server.http.errors import ApiError


def sampling_of(request: ChatRequest, default: Sampling) -> Sampling:
    """Raises ApiError: a value out of its range."""
    given = _given(request)
    if request.sampling_params_list:
        given.update(_given(request.sampling_params_list[0]))
    try:
        return Sampling.model_validate({**default.model_dump(), **given})
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        raise ApiError(f"{field}: {first['msg'].lower()}", param=field) from None


def _given(fields: SamplingFields) -> dict[str, Any]:
    names = ("temperature", "top_p", "top_k", "repetition_penalty", "seed", "max_tokens")
    given = {name: getattr(fields, name) for name in names}
    if fields.max_completion_tokens is not None:
        given["max_tokens"] = fields.max_completion_tokens
    if fields.top_k == -1:  # vLLM's word for no limit
        given["top_k"] = 0
    if fields.stop is not None:
        stop = [fields.stop] if isinstance(fields.stop, str) else fields.stop
        given["stop"] = [word for word in stop if word]
    return {name: value for name, value in given.items() if value is not None}
