"""Errors as clients read them: OpenAI's shape under /v1, FastAPI's `{"detail": ..}` elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from assistant.errors import RefusedError

STATUS_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class ErrorDetail(BaseModel):
    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorBody(BaseModel):
    """The body of every error under /v1."""

    error: ErrorDetail


class DetailBody(BaseModel):
    """The body of every error elsewhere."""

    detail: str


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody, "description": "What is wrong."} for status in ("4XX", "5XX")
}
"""For the API's description of what lies under /v1."""


class ApiError(RefusedError):
    """The response is an error. `message` is one line for people; `param` names the field."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code
        self.headers = dict(headers or {})

    def body(self, path: str) -> dict[str, Any]:
        """In the shape that clients of this path expect."""
        if not path.startswith("/v1"):
            return {"detail": self.message}
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        detail = {
            "message": self.message,
            "type": STATUS_TYPES.get(self.status, kind),
            "param": self.param,
            "code": self.code,
        }
        return {"error": detail}


def describe_invalid(problems: Sequence[Any]) -> tuple[str, str | None]:
    """Message and field of FastAPI's validation problems: the first one, without the input."""
    first = problems[0] if problems else {"loc": (), "msg": "the request is malformed"}
    where = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
    field = ".".join(where) or None
    if first.get("type") == "json_invalid":
        return "The body is not valid JSON.", None
    if first.get("type") == "model_attributes_type" and not field:
        return "The body must be a JSON object, with Content-Type: application/json.", None
    return f"{field}: {first['msg']}" if field else str(first["msg"]), field
