"""The engine itself, shared by all tests of this folder: loading the recognizer takes a while."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.config import Settings
from assistant.engines import create_engine
from assistant.engines.base import Engine


@pytest.fixture(scope="session")
def engine() -> Engine:
    return create_engine(Settings())


@pytest.fixture(scope="session")
def examples() -> Path:
    return Path(__file__).parents[3] / "examples"


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(getattr(request, "param", "asyncio"))
