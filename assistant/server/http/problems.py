"""Answers that several parts give when they can't do what was asked."""

from __future__ import annotations

import math

from assistant.server.http.errors import ApiError


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
