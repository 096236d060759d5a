"""Targets over a server: bodies of requests, forms, and the messages of WebSockets."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from assistant.audio.g711 import MU_LAW
from assistant.engines.base import Engine
from assistant.server.twilio.telephone import MEDIA_PATH, VOICE_PATH, Telephone
from fuzz.formats import audio_files
from fuzz.server import InProcess, scripted, server
from fuzz.target import FindingError, Run

CALL, STREAM, TOKEN = "CA" + "1" * 32, "MZ" + "2" * 32, "TOKEN"
"""`TOKEN` stands in an input for the token of the call, which is another one each time."""
_JSON, _FORM = b"application/json", b"application/x-www-form-urlencoded"
_BOUNDARY = b"0123456789"


def over_server(
    use: Callable[[InProcess, bytes], object], engine: Callable[[], Engine | None] = scripted
) -> AbstractContextManager[Run]:
    """Opens a server, and runs each input against it."""

    @contextmanager
    def opened() -> Iterator[Run]:
        with server(engine()) as running:
            yield lambda data: use(running, data) and None

    return opened()


def _chat(running: InProcess, data: bytes) -> None:
    running.post("/v1/chat/completions", data, [(b"content-type", _JSON)])


def _lines(*values: Any) -> bytes:
    return "\n".join(json.dumps(value) for value in values).encode()


def _wave(seconds: float, rate: int) -> Any:
    return (8_000 * np.sin(np.arange(int(seconds * rate)) * 0.2)).astype(np.int16)


# Chat completions.


def chat_seeds() -> Sequence[bytes]:
    wav = base64.b64encode(audio_files()[2]).decode()
    raw = base64.b64encode(_wave(0.02, 24_000).tobytes()).decode()
    function = {"name": "light", "description": "Switches it.", "parameters": {"type": "object"}}
    call = {"id": "c1", "type": "function", "function": {"name": "light", "arguments": "{}"}}
    ask = {"role": "user", "content": "Hi."}
    parts = [
        {"type": "text", "text": "What is it?"},
        {"type": "input_audio", "input_audio": {"data": raw, "format": "pcm16"}},
        {"type": "audio_url", "audio_url": {"url": f"data:audio/wav;base64,{wav}"}},
    ]
    speech = {"modalities": ["text", "audio"], "audio": {"voice": "default", "format": "wav"}}
    bodies = (
        {
            "model": "m", "messages": [ask], "stream": True,
            "stream_options": {"include_usage": True},
        },
        {"messages": [{"role": "user", "content": parts}], **speech},
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                ask,
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c1", "content": "on"},
            ],
            "tools": [{"type": "function", "function": function}],
            "tool_choice": {"type": "function", "function": {"name": "light"}},
        },
        {"messages": [ask], "tools": [{"type": "function", "function": function}], "n": 1},
        {
            "messages": [
                {"role": "human", "content": "Hi."},
                {"role": "assistant", "content": "<tts_start>", "eot": False},
            ],
            "temperature": 0.7, "top_p": 0.9, "top_k": -1, "repetition_penalty": 1.1, "seed": 3,
            "stop": ["x"], "max_tokens": 10, "sampling_params_list": [{"temperature": 0.1}],
        },
        {
            "messages": [
                {"role": "assistant", "tts_content": {"tts_text": "Hm."}, "audio": {"id": "a"}},
                {"role": "input", "content": [{"type": "text", "text": "on"}]},
            ],
            "response_format": {"type": "text"}, "logprobs": False, "max_completion_tokens": 4,
        },
    )  # fmt: skip
    return [_lines(body) for body in bodies]


def open_chat() -> AbstractContextManager[Run]:
    return over_server(_chat)


# The same with the embedded engine, which reads the history itself.


def embedded_seeds() -> Sequence[bytes]:
    place = {"type": "string", "description": "The city"}
    fields = {
        "location": place, "day": {"type": "integer", "minimum": 0}, "when": {"type": "string"},
        "unit": {"type": "string", "enum": ["celsius", "kelvin"]}, "exact": {"type": "boolean"},
        "at": {"type": "array", "items": {"type": "number"}},
    }  # fmt: skip
    parameters = {"type": "object", "properties": fields, "required": ["location"]}
    about = "Tells the weather in a city."
    function = {"name": "weather", "description": about, "parameters": parameters}
    tools = [{"type": "function", "function": function}]
    call = {"id": "c", "function": {"name": "weather", "arguments": '{"location": "Oslo"}'}}
    told = [
        {"role": "user", "content": "What is the weather in Oslo?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": '"rain"'},
    ]
    more = [
        {"role": "assistant", "content": "Rain."}, {"role": "user", "content": "And in Paris?"},
    ]  # fmt: skip
    kelvin = {"role": "user", "content": "天气怎么样 in 2 days, kelvin, exact: yes"}
    return [
        _lines({"messages": told[:1], "tools": tools}),
        _lines({"messages": told, "tools": tools}),
        _lines({"messages": told + more, "tools": tools, "tool_choice": "required"}),
        _lines({"messages": [kelvin], "tools": tools, "modalities": ["text", "audio"]}),
    ]


def open_embedded() -> AbstractContextManager[Run]:
    return over_server(_chat, lambda: None)


# The Realtime API. Each line is a client event.


def realtime_seeds() -> Sequence[bytes]:
    audio = base64.b64encode(_wave(0.03, 24_000).tobytes()).decode()
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
    law = base64.b64encode(MU_LAW.encode(_wave(0.2, 8_000))).decode()
    off = {"audio": {"input": {"turn_detection": None, "format": {"type": "audio/pcmu"}}}}
    return [
        _lines({"type": create, "item": message, "event_id": "e"}, respond),
        _lines({"type": "session.update", "session": session}, append, respond),
        _lines({"type": create, "item": call, "previous_item_id": "root"},
               {"type": create, "item": output}, respond, {"type": "response.cancel"}),
        _lines({"type": create, "item": message}, {"type": "response.create", "response": own}),
        _lines({"type": "session.update", "session": off}, {**append, "audio": law},
               {"type": "input_audio_buffer.commit"}, respond, {"type": "response.cancel"}),
        _lines({"type": create, "item": spoken, "previous_item_id": "a"}, append,
               {"type": "input_audio_buffer.clear"}, {"type": "output_audio_buffer.clear"}),
        _lines({"type": create, "item": message},
               {"type": "conversation.item.retrieve", "item_id": "a"},
               {"type": "conversation.item.truncate", "item_id": "a", "content_index": 0,
                "audio_end_ms": 10},
               {"type": "conversation.item.delete", "item_id": "a"}),
        _lines(respond, {"type": "assistant.playback.position", "response_id": "r", "played_ms": 9},
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
    payload = base64.b64encode(MU_LAW.encode(_wave(0.02, 8_000))).decode()

    def media(chunk: int) -> dict[str, Any]:
        values = {"track": "inbound", "chunk": str(chunk), "timestamp": "20", "payload": payload}
        return {"event": "media", "media": values, **stream}

    digits = [{"event": "dtmf", "dtmf": {"digit": digit}, **stream} for digit in "19#"]
    mark = {"event": "mark", "mark": {"name": "1"}, **stream}
    stop = {"event": "stop", "stop": {"callSid": CALL}, **stream}
    return [
        _lines(*first, *[media(chunk) for chunk in range(1, 6)], stop),
        _lines(*first, media(3), media(1), media(2**52), mark, *digits),
        _lines(*first, *digits, mark, media(1)),
        _lines(first[1], stop),
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


def webhook_seeds() -> Sequence[bytes]:
    return [f"CallSid={CALL}&From=%2B4930&To=".encode(), b"CallSid=&a", b"a=%ff&CallSid=%00"]


def open_webhook() -> AbstractContextManager[Run]:
    headers = [(b"content-type", _FORM)]
    return over_server(lambda running, data: running.post(VOICE_PATH, data, headers))


# Forms with a file. The first line is the Content-Type, the rest the body.


def form_seeds() -> Sequence[bytes]:
    kind = b"multipart/form-data; boundary=" + _BOUNDARY
    wav, ogg = audio_files()[2], audio_files()[6]
    fields = (("model", "m"), ("response_format", "verbose_json"), ("language", "en"))
    texts = [
        b'Content-Disposition: form-data; name="%s"\r\n\r\n%s' % (name.encode(), value.encode())
        for name, value in fields
    ]
    files = [
        b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\n'
        b"Content-Type: audio/wav\r\n\r\n" + data
        for data in (wav, ogg)
    ]
    stream = b'Content-Disposition: form-data; name="stream"\r\n\r\ntrue'
    named = files[0].replace(b'filename="a.wav"', b"filename*=UTF-8''%C5%82.wav")
    made = [_form(files[0], *texts), _form(*texts, files[1], stream), _form(named), _form(texts[0])]
    return [kind + b"\n" + body for body in made] + [_FORM + b"\nfile=x&model=m"]


def _form(*parts: bytes) -> bytes:
    line = b"--" + _BOUNDARY
    return b"".join(line + b"\r\n" + part + b"\r\n" for part in parts) + line + b"--\r\n"


def open_form() -> AbstractContextManager[Run]:
    return over_server(_transcribe)


def _transcribe(running: InProcess, data: bytes) -> None:
    kind, _, body = data.partition(b"\n")
    running.post("/v1/audio/transcriptions", body, [(b"content-type", kind)])
