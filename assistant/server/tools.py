"""GET /v1/tools: what the assistant can do for this caller."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from assistant.server.auth.access import Access, require
from assistant.server.http.errors import ErrorBody
from assistant.server.state import get_state

router = APIRouter(prefix="/v1", tags=["tools"], responses={"4XX": {"model": ErrorBody}})


class ToolFunction(BaseModel):
    name: str
    description: str
    parameters: dict[str, Any]


class ToolInfo(BaseModel):
    """A tool in the form of OpenAI's function tools."""

    type: Literal["function"] = "function"
    function: ToolFunction
    examples: list[str]
    """Things a user may say that call for this tool."""
    side_effect: Literal["none", "idempotent", "once"]
    needs_approval: bool


class ToolList(BaseModel):
    object: Literal["list"] = "list"
    data: list[ToolInfo]


@router.get("/tools")
def list_tools(request: Request, access: Annotated[Access, Depends(require("tools"))]) -> ToolList:
    """The tools that the settings and this key allow, with the schemas of their arguments."""
    assistant = get_state(request).assistant
    allowed = assistant.dispatcher.schemas(access.tools(None))
    return ToolList(data=[_info(assistant.registry.get(schema.name)) for schema in allowed])


def _info(tool: Any) -> ToolInfo:
    return ToolInfo(
        function=ToolFunction(**tool.schema.to_openai()["function"]),
        examples=list(tool.schema.examples),
        side_effect=tool.side_effect,
        needs_approval=tool.needs_approval,
    )
