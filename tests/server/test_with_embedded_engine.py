"""The server with its default settings transcribes, calls a tool and speaks, over HTTP."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import openai
import soundfile

from assistant.config import Settings
from assistant.engines import create_engine
from tests.support.serving import Serve

QUESTION = Path(__file__).parents[2] / "examples" / "what_time_is_it_in_tokyo.wav"


PLACE = {"location": {"type": "string", "description": "The city"}}
PARAMETERS: dict[str, Any] = {"type": "object", "properties": PLACE, "required": ["location"]}
MALFORMED: list[dict[str, Any]] = [
    {"properties": ["location"]},
    {"properties": {"location": True}},
    {"properties": {"location": [None]}},
    {"properties": {"location": {"enum": 5}}},
    {"properties": {"location": {"anyOf": [[1], None], "oneOf": 3}}},
    {"properties": {"location": {"$ref": "#/$defs/x"}}, "$defs": {"x": "y"}},
    {"properties": {"location": {"$ref": "#/$defs/x"}}, "$defs": ["x"]},
    {"required": 7},
    {"required": [{}, []]},
]


def follow_up(arguments: str = "{}", parameters: Any = PARAMETERS) -> dict[str, Any]:
    """Returns a request whose last message only makes sense after the call before it."""
    about = "Tells the weather in a city."
    tool = {"name": "weather", "description": about, "parameters": parameters}
    call = {"id": "c", "function": {"name": "weather", "arguments": arguments}}
    messages = [
        {"role": "user", "content": "What is the weather in Oslo?"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "rain"},
        {"role": "assistant", "content": "Rain."},
        {"role": "user", "content": "And in Paris?"},
    ]
    return {"messages": messages, "tools": [{"type": "function", "function": tool}]}


def test_a_history_with_a_malformed_call_or_tool_is_answered(serve: Serve) -> None:
    server = serve(create_engine(Settings()))
    right = follow_up('{"location": "Oslo"}')
    bodies = [follow_up(text) for text in ("", "Oslo", "[1]", "null", "[" * 10_000)]
    bodies += [follow_up(parameters={**PARAMETERS, **change}) for change in MALFORMED]
    for body in (right, *bodies):
        answer = server.client.post("/v1/chat/completions", json=body)
        assert answer.status_code == 200, body


def test_a_spoken_question_is_transcribed_looked_up_and_answered_in_speech(serve: Serve) -> None:
    server = serve(create_engine(Settings()))
    root = f"http://127.0.0.1:{server.port}/v1"
    part = {"data": base64.b64encode(QUESTION.read_bytes()).decode(), "format": "wav"}
    with openai.OpenAI(base_url=root, api_key="x", max_retries=0) as client:
        answer = client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": [{"type": "input_audio", "input_audio": part}]}],
            modalities=["text", "audio"],
            audio={"voice": "alloy", "format": "wav"},
        )
        transcription = client.audio.transcriptions.create(model="m", file=QUESTION)
        with_streaming = client.audio.speech.with_streaming_response
        with with_streaming.create(model="m", input="Noon.", voice="v", response_format="pcm") as s:
            spoken = b"".join(s.iter_bytes())
    events = answer.model_extra["assistant_events"]
    assert events[0]["type"] == "transcript"
    assert [event["name"] for event in events[1:]] == ["date_time", "date_time"]
    assert events[-1]["outcome"] == "ok"
    audio = answer.choices[0].message.audio
    assert "Tokyo" in audio.transcript
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(audio.data)))
    assert (rate, samples.ndim) == (24_000, 1)
    assert len(samples) > rate
    assert "time" in transcription.text
    assert len(spoken) > 12_000
