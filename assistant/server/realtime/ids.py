"""Ids of what a conversation consists of; nobody can guess one."""

from __future__ import annotations

import secrets
from typing import Literal


def new_id(kind: Literal["item", "resp", "event", "sess"]) -> str:
    return f"{kind}_{secrets.token_hex(12)}"
