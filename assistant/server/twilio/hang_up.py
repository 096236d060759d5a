"""Hanging up: the model's tool, and the request to Twilio."""

from __future__ import annotations

import logging
import re

import httpx

from assistant.config import TwilioSettings
from assistant.messages import ToolSchema
from assistant.server.twilio.frames import CALL_SID

logger = logging.getLogger(__name__)

HANG_UP = ToolSchema(
    name="hang_up",
    description="Ends the telephone call, when the caller says goodbye or has no more questions.",
    parameters={"type": "object", "properties": {}},
    examples=(
        "Goodbye.",
        "Bye bye.",
        "Hang up.",
        "Please end the call.",
        "That is all, goodbye.",
        "No, thank you, goodbye.",
    ),
)
"""Run by the call itself, so no other conversation has it. It counts each time, as a tool with the
side effect `once` does: it is called once the question is certain, and nothing cuts it short."""

RESULT = "The call ends after this. Goodbye."
"""The result that the model reads, and may repeat."""

_ENDED_ALREADY = 404
_TIMEOUT_S = 5.0


async def hang_up(call_sid: str, settings: TwilioSettings) -> None:
    """Lets Twilio end the call, if the account is known.

    Never raises: the socket is closed in any case, after which Twilio ends the call.
    """
    token = settings.auth_token.get_secret_value()
    if not (settings.account_sid and token and re.fullmatch(CALL_SID, call_sid)):
        return
    account = f"{settings.api_url}/2010-04-01/Accounts/{settings.account_sid}"
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client:
            answer = await client.post(
                f"{account}/Calls/{call_sid}.json",
                auth=(settings.account_sid, token),
                data={"Status": "completed"},
            )
    except httpx.HTTPError as error:
        logger.warning("Twilio could not be told that a call ends: %s", type(error).__name__)
        return
    if answer.is_error and answer.status_code != _ENDED_ALREADY:
        logger.warning("Twilio did not end a call: status %d", answer.status_code)
