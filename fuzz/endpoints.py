"""Targets over a server: bodies of requests, and forms."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from assistant.audio.samples import Pcm16
from assistant.engines.base import Engine
from assistant.server.twilio.telephone import VOICE_PATH
from fuzz.formats import audio_files
from fuzz.server import InProcess, scripted, server
from fuzz.target import Run

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


def lines(*values: Any) -> bytes:
    """Returns one JSON text a line."""
    return "\n".join(json.dumps(value) for value in values).encode()


def wave(seconds: float, rate: int) -> Pcm16:
    """Returns a tone."""
    return (8_000 * np.sin(np.arange(int(seconds * rate)) * 0.2)).astype(np.int16)


# Chat completions.


def chat_seeds() -> Sequence[bytes]:
    wav = base64.b64encode(audio_files()[2]).decode()
    raw = base64.b64encode(wave(0.02, 24_000).tobytes()).decode()
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
    return [lines(body) for body in bodies]


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
        lines({"messages": told[:1], "tools": tools}),
        lines({"messages": told, "tools": tools}),
        lines({"messages": told + more, "tools": tools, "tool_choice": "required"}),
        lines({"messages": [kelvin], "tools": tools, "modalities": ["text", "audio"]}),
    ]


def open_embedded() -> AbstractContextManager[Run]:
    return over_server(_chat, lambda: None)


# Other JSON bodies. The first line tells the path, as a position in the table.

PATHS = ("/v1/audio/speech", "/generate", "/v1/realtime/client_secrets", "/v1/sessions")


def body_seeds() -> Sequence[bytes]:
    speech = {"input": "Hi.", "voice": "default", "response_format": "pcm", "language": "en"}
    streamed = {**speech, "stream_format": "sse", "speed": 1.5, "response_format": "mp3"}
    read = {"text": "Hi.", "language": "en", "speaker": "default", "streaming": True}
    audio = {"input": {"turn_detection": {"type": "semantic_vad"}}, "output": {"voice": "default"}}
    secret = {"expires_after": {"anchor": "created_at", "seconds": 10}, "session": {"audio": audio}}
    session = {
        "system_prompt": "Be brief.", "voice": "default", "language": "en", "tools": [],
        "speak": False, "metadata": {"a": "b"},
    }  # fmt: skip
    bodies = ((0, speech), (0, streamed), (1, read), (2, secret), (3, session))
    return [lines(path, body) for path, body in bodies]


def open_body() -> AbstractContextManager[Run]:
    return over_server(_post_body)


def _post_body(running: InProcess, data: bytes) -> None:
    path, _, body = data.partition(b"\n")
    at = path[0] % 16 if path else 0
    running.post(PATHS[at % len(PATHS)], body, [(b"content-type", _JSON)])


# The webhook of the telephone, and forms with a file: there, the first line is the Content-Type.


def webhook_seeds() -> Sequence[bytes]:
    return [f"CallSid=CA{'1' * 32}&From=%2B4930&To=".encode(), b"CallSid=&a", b"a=%ff&CallSid=%00"]


def open_webhook() -> AbstractContextManager[Run]:
    headers = [(b"content-type", _FORM)]
    return over_server(lambda running, data: running.post(VOICE_PATH, data, headers))


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
