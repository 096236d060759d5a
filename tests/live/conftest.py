"""Calls whose clock the test drives (tests/support/simulated_call.py)."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.support.simulated_call import OpenCall, open_call


@pytest.fixture
def call(tmp_path: Path) -> OpenCall:
    return partial(open_call, tmp_path)
