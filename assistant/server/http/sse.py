"""Server-sent events: one `data:` line each, compact JSON, and nothing else.

Some clients cut six characters from each line and parse the rest: no comments, no `event:` lines.
"""

from __future__ import annotations

import json
from typing import Any

MEDIA_TYPE = "text/event-stream"
DESCRIBED: dict[str, Any] = {
    MEDIA_TYPE: {
        "schema": {
            "type": "object",
            "properties": {"data": {"type": "string", "description": "JSON of one event"}},
            "required": ["data"],
        }
    }
}
"""The schema of one event, for the API's description."""
DONE = b"data: [DONE]\n\n"


def data(value: dict[str, Any]) -> bytes:
    text = json.dumps(value, separators=(",", ":"), default=str)
    return f"data: {text}\n\n".encode("ascii")
