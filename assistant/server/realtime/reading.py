"""Responses that are to speak a text and not to answer it.

The protocol has no event for that: bridges of smart homes say so in the instructions of a response
out of the conversation. An engine reads better when it is given the task than when it is told.
"""

from __future__ import annotations

import re

from assistant.messages import UserMessage
from assistant.server.realtime.wish import Wish
from assistant.session import Session

_ASKED = re.compile(r"\b(aloud|out loud|verbatim|word for word|exactly as)\b", re.IGNORECASE)


def text_to_read(session: Session, wish: Wish) -> str | None:
    """The one typed message of the session, where its instructions ask to read it out.

    Only where no tool may be called: whoever wants an answer leaves that to the model.
    """
    if not (wish.apart and wish.choice == "none" and _ASKED.search(session.system_prompt)):
        return None
    match session.history:
        case [UserMessage(parts=[str(text)])]:
            return text
    return None
