"""/twilio: calls by telephone, see assistant/server/twilio."""

from __future__ import annotations

from functools import partial
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response, WebSocket

from assistant.live.conversation import LiveConversation
from assistant.server.http.errors import ApiError, DetailBody, too_large
from assistant.server.state import get_state
from assistant.server.turns import admitted, open_session
from assistant.server.twilio import twiml
from assistant.server.twilio.frames import SAMPLE_RATE
from assistant.server.twilio.hang_up import HANG_UP
from assistant.server.twilio.signature import Fields
from assistant.server.twilio.telephone import MEDIA_PATH, OWNER, STYLE, TOKEN, VOICE_PATH, Telephone

MOST_BYTES = 64 * 1024
"""Twilio's form has about one thousand."""

router = APIRouter(tags=["telephone"])


@router.post(
    VOICE_PATH,
    response_class=Response,
    responses={
        200: {"content": {twiml.MEDIA_TYPE: {}}},
        "4XX": {"model": DetailBody, "description": "Not signed by Twilio, or no telephone."},
    },
)
async def voice(request: Request) -> Response:
    """Connects a call to `/twilio/media`.

    To be set as the webhook of a number, with POST. If no more calls are accepted, the caller gets
    the busy tone. A repeated request gets the same response until the call has come, then 409.
    """
    telephone = get_state(request).get(Telephone)
    fields = await _form(request)
    telephone.check(request, fields)
    token = telephone.announce(dict(fields))
    if token is None:
        return Response(twiml.reject(), media_type=twiml.MEDIA_TYPE)
    answer = twiml.connect(telephone.url(request, MEDIA_PATH), {TOKEN: token})
    return Response(answer, media_type=twiml.MEDIA_TYPE)


async def _form(request: Request) -> Fields:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            raise too_large(f"the form is larger than {MOST_BYTES} bytes")
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=200)
    except ValueError as error:
        raise ApiError("the body is not a form") from error


@router.websocket(MEDIA_PATH)
async def media(websocket: WebSocket) -> None:
    """The call, as Twilio Media Streams sends it."""
    state = get_state(websocket)
    telephone = state.get(Telephone)
    telephone.check(websocket)

    def open_live() -> LiveConversation:
        settings = telephone.settings
        prompt = state.assistant.settings.system_prompt
        session = open_session(
            websocket,
            voice=settings.voice or None,
            language=settings.language or None,
            system_prompt=f"{prompt}\n{STYLE}".strip(),
            client_tools=(HANG_UP,),
        )
        return LiveConversation(
            session,
            state.assistant.settings.live,
            input_rate=SAMPLE_RATE,
            pausable=True,
            clock=telephone.clock,
            admit=partial(admitted, websocket),
            lead_ins=state.lead_ins,
            detector=state.new_speech_detector(),
        )

    async with state.sockets.accept(websocket, OWNER) as socket:
        await telephone.take(socket, open_live, state.live_metrics)
