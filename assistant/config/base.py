"""What all tables of the settings have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _split(value: Any) -> Any:
    """An environment variable holds a list as words with commas between."""
    return (
        [word.strip() for word in value.split(",") if word.strip()]
        if isinstance(value, str)
        else value
    )


Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
Folders = Annotated[tuple[Path, ...], BeforeValidator(_split)]


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
