"""Responses that are to speak a text and not to answer it.

The protocol has no event for that: bridges of smart homes say so in the instructions of a response
out of the conversation. An engine reads better when it is given the task than when it is told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from assistant.messages import Message, UserMessage
from assistant.server.realtime.response_options import ResponseOptions

_ASKED = re.compile(r"\b(aloud|out loud|verbatim|word for word|exactly as)\b", re.IGNORECASE)


def text_to_read(
    wish: ResponseOptions, system_prompt: str, messages: Sequence[Message]
) -> str | None:
    """Returns the only message if it is typed and the instructions ask to read it aloud.

    Only where no tool may be called: whoever wants an answer leaves that to the model.
    """
    if not (wish.apart and wish.choice == "none" and _ASKED.search(system_prompt)):
        return None
    match messages:
        case [UserMessage(parts=[str(text)])]:
            return text
    return None
