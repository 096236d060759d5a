"""Warm-up of tools: loads before the first call what it would otherwise wait for."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable

from assistant.plugins.tool import Tool

logger = logging.getLogger(__name__)


def warm_up(tools: Iterable[Tool]) -> None:
    """Calls the `warm_up` of each file, once. Blocks. A file's failure is logged, and no more: its
    tools may do without.
    """
    for name in dict.fromkeys(tool.function.__module__ for tool in tools):
        function = getattr(sys.modules.get(name), "warm_up", None)
        if callable(function):
            try:
                function()
            except Exception:
                logger.exception("A tool file can't warm up")
