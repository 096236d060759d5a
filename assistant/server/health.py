"""Probes and figures: is it alive, does it take requests, what has it done."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from assistant.server.auth.access import require
from assistant.server.http.errors import DetailBody, unavailable
from assistant.server.state import get_state

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    status: Literal["healthy"] = "healthy"


class Ready(BaseModel):
    status: Literal["ready"] = "ready"


# All of them are async: the worker threads may be busy, and a probe must not wait for one.


@router.get("/health", responses={503: {"model": DetailBody}})
async def health(request: Request) -> Health:
    """The process responds and its turns move. That does not mean that it accepts requests."""
    _check_moves(request)
    return Health()


@router.get("/ready", responses={503: {"model": DetailBody}})
async def ready(request: Request) -> Ready:
    """The engine is loaded and moves, and the server is not about to stop."""
    if not get_state(request).ready:
        raise unavailable("not ready", retry_after_s=5)
    _check_moves(request)
    return Ready()


def _check_moves(request: Request) -> None:
    problem = get_state(request).watchdog.problem
    if problem:
        raise unavailable(problem, retry_after_s=5)


@router.get(
    "/metrics",
    dependencies=[Depends(require("metrics"))],
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}, "4XX": {"model": DetailBody}},
)
async def metrics(request: Request) -> Response:
    """The server's metrics, in Prometheus' text format."""
    return Response(get_state(request).metrics.render(), media_type=CONTENT_TYPE_LATEST)
