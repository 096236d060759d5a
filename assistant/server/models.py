"""GET /v1/models: there is one model, and it answers to any name."""

from __future__ import annotations

import time
from typing import Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from assistant.server.auth.access import require
from assistant.server.http.errors import ERRORS
from assistant.server.state import get_state

router = APIRouter(
    prefix="/v1", tags=["models"], dependencies=[Depends(require("chat"))], responses=ERRORS
)
_STARTED = int(time.time())


class Model(BaseModel):
    id: str
    object: Literal["model"] = "model"
    created: int = _STARTED
    owned_by: str = "assistant"


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[Model]


@router.get("/models")
async def list_models(request: Request) -> ModelList:
    """The engine of this server."""
    return ModelList(data=[Model(id=get_state(request).assistant.engine.name)])


@router.get("/models/{model:path}")
async def get_model(model: str) -> Model:
    """Clients keep the names of other services' models: none of them is unknown."""
    return Model(id=model)
