"""Targets over WebSockets: the Realtime API and the telephone. A line of an input is a message."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from assistant.audio.g711 import MU_LAW
from assistant.server.twilio.telephone import MEDIA_PATH, Telephone
from fuzz.endpoints import lines, over_server, wave
from fuzz.server import InProcess
from fuzz.target import FindingError, Run

CALL, STREAM, TOKEN = "CA" + "1" * 32, "MZ" + "2" * 32, "TOKEN"
"""`TOKEN` stands in an input for the token of the call, which is another one each time."""


# The Realtime API. Each line is a client event.


def realtime_seeds() -> Sequence[bytes]:
    audio = base64.b64encode(wave(0.03, 24_000).tobytes()).decode()
    text = {"type": "input_text", "text": "Hi."}
    message = {"type": "message", "id": "a", "role": "user", "content": [text]}
    spoken = {**message, "id": "b", "content": [{"type": "input_audio", "audio": audio}]}
    call = {"type": "function_call", "id": "c", "call_id": "x", "name": "light", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "x", "output": "on"}
    create, respond = "conversation.item.create", {"type": "response.create"}
    tool = {"type": "function", "name": "light", "parameters": {"type": "object"}}
    audio_in = {
        "format": {"type": "audio/pcmu"},
        "turn_detection": {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 200},
        "transcription": {"model": "m", "language": "en"},
        "noise_reduction": {"type": "near_field"},
    }
    session = {
        "type": "realtime", "instructions": "Be brief.", "tools": [tool], "tool_choice": "auto",
        "output_modalities": ["audio"], "max_output_tokens": "inf", "tracing": "auto",
        "audio": {"input": audio_in, "output": {"voice": "default"}},
    }  # fmt: skip
    own = {
        "conversation": "none", "metadata": {"a": "b"}, "output_modalities": ["text"],
        "input": [{"type": "item_reference", "id": "a"}, message, output],
        "audio": {"output": {"format": {"type": "audio/pcma"}}}, "max_output_tokens": 5,
    }  # fmt: skip
    append = {"type": "input_audio_buffer.append", "audio": audio}
    law = base64.b64encode(MU_LAW.encode(wave(0.2, 8_000))).decode()
    off = {"audio": {"input": {"turn_detection": None, "format": {"type": "audio/pcmu"}}}}
    return [
        lines({"type": create, "item": message, "event_id": "e"}, respond),
        lines({"type": "session.update", "session": session}, append, respond),
        lines({"type": create, "item": call, "previous_item_id": "root"},
               {"type": create, "item": output}, respond, {"type": "response.cancel"}),
        lines({"type": create, "item": message}, {"type": "response.create", "response": own}),
        lines({"type": "session.update", "session": off}, {**append, "audio": law},
               {"type": "input_audio_buffer.commit"}, respond, {"type": "response.cancel"}),
        lines({"type": create, "item": spoken, "previous_item_id": "a"}, append,
               {"type": "input_audio_buffer.clear"}, {"type": "output_audio_buffer.clear"}),
        lines({"type": create, "item": message},
               {"type": "conversation.item.retrieve", "item_id": "a"},
               {"type": "conversation.item.truncate", "item_id": "a", "content_index": 0,
                "audio_end_ms": 10},
               {"type": "conversation.item.delete", "item_id": "a"}),
        lines(respond, {"type": "assistant.playback.position", "response_id": "r", "played_ms": 9},
               {"type": "session.update", "session": {"type": "transcription"}}, append),
    ]  # fmt: skip


def open_realtime() -> AbstractContextManager[Run]:
    return over_server(_realtime)


def _realtime(running: InProcess, data: bytes) -> None:
    texts = data.decode("utf-8", "replace").split("\n")
    for text in running.talk("/v1/realtime", "model=m&extensions=assistant", texts):
        event = json.loads(text)
        if event["type"] == "error" and event["error"].get("type") == "server_error":
            raise FindingError(f"answered by {text}")


# The telephone. Each line is a message of Twilio Media Streams.


def twilio_seeds() -> Sequence[bytes]:
    details = {
        "streamSid": STREAM, "accountSid": "AC" + "0" * 32, "callSid": CALL, "tracks": ["inbound"],
        "customParameters": {"token": TOKEN},
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
    }  # fmt: skip
    stream = {"streamSid": STREAM}
    first = (
        {"event": "connected", "protocol": "Call"},
        {"event": "start", "start": details, **stream},
    )
    payload = base64.b64encode(MU_LAW.encode(wave(0.02, 8_000))).decode()

    def media(chunk: int) -> dict[str, Any]:
        values = {"track": "inbound", "chunk": str(chunk), "timestamp": "20", "payload": payload}
        return {"event": "media", "media": values, **stream}

    digits = [{"event": "dtmf", "dtmf": {"digit": digit}, **stream} for digit in "19#"]
    mark = {"event": "mark", "mark": {"name": "1"}, **stream}
    stop = {"event": "stop", "stop": {"callSid": CALL}, **stream}
    return [
        lines(*first, *[media(chunk) for chunk in range(1, 6)], stop),
        lines(*first, media(3), media(1), media(2**52), mark, *digits),
        lines(*first, *digits, mark, media(1)),
        lines(first[1], stop),
    ]


def open_twilio() -> AbstractContextManager[Run]:
    return over_server(_call)


def _call(running: InProcess, data: bytes) -> None:
    telephone = running.state.get(Telephone)
    token = telephone.announced.add(CALL)
    texts = data.decode("utf-8", "replace").replace(TOKEN, token).split("\n")
    running.talk(MEDIA_PATH, "", texts)
    telephone.announced.take(token, CALL)  # a call that never came leaves none behind
    if telephone.running:
        raise FindingError("a call is still counted")
