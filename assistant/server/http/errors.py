"""Errors as clients read them: OpenAI's shape under /v1, FastAPI's `{"detail": ..}` elsewhere."""

from __future__ import annotations

import math
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
"""The errors of endpoints under /v1, for the API's description."""


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
        """Returns the body in the shape that clients of this path expect."""
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


def unauthorized(message: str) -> ApiError:
    return ApiError(
        f"{message}; send Authorization: Bearer KEY",
        status=401,
        code="invalid_api_key",
        headers={"WWW-Authenticate": "Bearer"},
    )


def forbidden(message: str) -> ApiError:
    return ApiError(message, status=403)


def not_found(message: str) -> ApiError:
    return ApiError(message, status=404)


def conflict(message: str) -> ApiError:
    return ApiError(message, status=409, headers={"Retry-After": "1"})


def too_large(message: str) -> ApiError:
    return ApiError(message, status=413)


def too_many(message: str, *, retry_after_s: float) -> ApiError:
    """More than this caller may ask for, or than the server takes."""
    return _try_again(message, 429, retry_after_s)


def unavailable(message: str, *, retry_after_s: float) -> ApiError:
    """The server can't, for now."""
    return _try_again(message, 503, retry_after_s)


def _try_again(message: str, status: int, retry_after_s: float) -> ApiError:
    seconds = max(1, math.ceil(retry_after_s))
    headers = {"Retry-After": str(seconds)}
    return ApiError(f"{message}; try again in {seconds} s", status=status, headers=headers)
