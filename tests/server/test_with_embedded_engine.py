"""The server as it comes out of the box: it hears, calls a tool and speaks, over HTTP."""

from __future__ import annotations

import base64
import io

import openai
import soundfile
from serving import Serve

from assistant.config import Settings
from assistant.engines import create_engine


def test_a_spoken_question_is_heard_looked_up_and_answered_in_speech(serve: Serve) -> None:
    server = serve(create_engine(Settings()))
    root = f"http://127.0.0.1:{server.port}/v1"
    with openai.OpenAI(base_url=root, api_key="x", max_retries=0) as client:
        question = client.audio.speech.create(
            model="m", input="The weather is beautiful today.", voice="alloy", response_format="wav"
        ).content
        part = {"data": base64.b64encode(question).decode(), "format": "wav"}
        answer = client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "What time is it in Tokyo?"}],
            modalities=["text", "audio"],
            audio={"voice": "alloy", "format": "wav"},
        )
        heard = client.audio.transcriptions.create(model="m", file=("q.wav", question))
        spoken = client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": [{"type": "input_audio", "input_audio": part}]}],
            tool_choice="none",
        )
    events = answer.model_extra["assistant_events"]
    assert [event["name"] for event in events] == ["date_time", "date_time"]
    assert "Tokyo" in answer.choices[0].message.audio.transcript
    samples, rate = soundfile.read(
        io.BytesIO(base64.b64decode(answer.choices[0].message.audio.data))
    )
    assert (rate, samples.ndim) == (24_000, 1)
    assert len(samples) > rate
    assert "beautiful today" in heard.text
    assert spoken.choices[0].message.content
    assert spoken.model_extra["assistant_events"][0]["type"] == "transcript"
