"""Chat as the clients of vLLM-Omni and StepFun send it, byte by byte what they send and read."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
import soundfile

from assistant.config import Sampling
from assistant.engines.base import EngineRequest, Speech
from assistant.events import TextDelta
from assistant.messages import AssistantMessage, ToolMessage, UserMessage
from assistant.testing import ScriptedEngine
from assistant.testing.scripted import speech_of
from tests.support.serving import Running, Serve, wav
from tests.support.tool_calls import call

URL = "/v1/chat/completions"
OPENING = {"role": "assistant", "content": "<tts_start>"}
SPEAK = {"continue_final_message": True, "add_generation_prompt": False}
SAMPLING = {
    "temperature": 0.7,
    "top_p": 0.9,
    "top_k": -1,
    "max_tokens": 2048,
    "seed": 42,
    "detokenize": True,
    "repetition_penalty": 1.05,
    "stop_token_ids": [151645],
}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def spoken(words: str, *codes: int) -> list[Any]:
    """Returns what an engine yields that generates audio from speech tokens."""
    return [TextDelta(words), Speech(speech_of(words).samples, codes)]


def message_of(server: Running, **body: Any) -> dict[str, Any]:
    answer = server.client.post(URL, json={"model": "step-audio-2-mini", **body})
    assert answer.status_code == 200, answer.text
    (choice,) = answer.json()["choices"]
    return choice["message"]


@pytest.mark.parametrize("form", ["in the user's text", "as an opened answer"])
def test_vllm_omni_requests_speech_by_its_start_token(serve: Serve, form: str) -> None:
    engine = ScriptedEngine(["<tts_start>It is ", "noon.<audio_12>"])
    question = "What time is it?" + ("<tts_start>" if form == "in the user's text" else "")
    messages = [
        {"role": "system", "content": [text("Be brief.")]},
        {"role": "user", "content": [text(question)]},
    ]
    more: dict[str, Any] = {}
    if form == "as an opened answer":
        messages.append(OPENING)
        more = SPEAK
    message = message_of(
        serve(engine), messages=messages, sampling_params_list=[SAMPLING, {"top_p": 0.1}], **more
    )
    assert message["content"] == "It is noon."
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(message["audio"]["data"])))
    assert (rate, samples.ndim) == (24_000, 1)
    assert len(samples) > 12_000
    (request,) = engine.requests
    assert request.speak
    assert request.messages[-1] == UserMessage(("What time is it?",))
    assert request.sampling == Sampling(
        temperature=0.7, top_p=0.9, seed=42, max_tokens=2048, repetition_penalty=1.05
    )


def test_vllm_omni_sends_a_recording_as_a_data_url(serve: Serve) -> None:
    engine = ScriptedEngine(["You said hello."])
    url = "data:audio/wav;base64," + base64.b64encode(wav(0.5)).decode()
    parts = [{"type": "audio_url", "audio_url": {"url": url}}, text("What did I say?")]
    message = message_of(serve(engine), messages=[{"role": "user", "content": parts}])
    assert message["content"] == "You said hello."
    assert message.get("audio") is None
    audio, question = engine.requests[0].messages[-1].parts
    assert (audio.seconds, question) == (0.5, "What did I say?")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/a.wav", "file:///etc/passwd", "data:audio/wav;base64,!", "x"]
)
def test_a_recording_that_cannot_be_fetched_is_refused(serve: Serve, url: str) -> None:
    parts = [{"type": "audio_url", "audio_url": {"url": url}}]
    answer = serve().client.post(URL, json={"messages": [{"role": "user", "content": parts}]})
    assert answer.status_code == 400
    assert url not in answer.json()["error"]["message"]


def test_stepfun_reads_its_speech_from_tts_content(serve: Serve) -> None:
    engine = ScriptedEngine([*spoken("Good day.", 12, 7), *spoken(" Sir.", 6560)])
    piece = {"data": base64.b64encode(wav(0.5)).decode(), "format": "wav"}
    audio = {"type": "input_audio", "input_audio": piece}
    body = {
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "human", "content": [audio, audio]},
            {**OPENING, "eot": False},
        ],
        **SPEAK,
        "max_tokens": 1024,
        "frequency_penalty": 0,
        "skip_special_tokens": False,
        "parallel_tool_calls": False,
    }
    server = serve(engine)
    assert message_of(server, **body) == {
        "role": "assistant",
        "content": None,
        "tts_content": {
            "tts_text": "Good day. Sir.",
            "tts_audio": "<audio_12><audio_7><audio_6560>",
        },
    }
    assert len(engine.requests[0].messages[-1].parts) == 2
    answer = server.client.post(URL, json=body)
    assert "\n" not in answer.text


def test_stepfun_gets_text_if_it_opens_no_speech(serve: Serve) -> None:
    engine = ScriptedEngine(["Good day."])
    message = message_of(
        serve(engine),
        messages=[{"role": "human", "content": "hello"}],
        continue_final_message=False,
        add_generation_prompt=True,
    )
    assert message == {"role": "assistant", "content": "Good day."}
    assert not engine.requests[0].speak


def stepfun_lines(server: Running, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Reads as StepFun's client does: drops six characters of each line that is not empty."""
    made = server.client.post(URL, json={"stream": True, **body}).text.splitlines()
    lines = [line[6:] for line in made if line]
    assert lines.pop() == "[DONE]"
    chunks = [json.loads(line) for line in lines]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    for delta in deltas:
        assert "content" in delta or delta["tts_content"]["tts_text"]
        assert delta.get("tts_content", {}) is not None
        assert delta.get("tool_calls", []) is not None
    return deltas


def test_stepfun_reads_a_stream_line_by_line(serve: Serve) -> None:
    engine = ScriptedEngine([*spoken("Good <aud", 1), *spoken("io_3>day.", 2, 3)])
    messages = [{"role": "human", "content": "hello"}, {**OPENING, "eot": False}]
    deltas = stepfun_lines(serve(engine), {"messages": messages, **SPEAK})
    contents = [delta.get("tts_content", {}) for delta in deltas]
    assert "".join(one.get("tts_text", "") for one in contents) == "Good day."
    assert "".join(one.get("tts_audio", "") for one in contents) == "<audio_1><audio_2><audio_3>"


def test_stepfun_calls_tools_and_sends_their_results_as_input(serve: Serve) -> None:
    def step(request: EngineRequest) -> list[Any]:
        if isinstance(request.messages[-1], ToolMessage):
            return spoken("Sunny.", 5)
        return [*spoken("I look.", 4), call("get_weather", city="Oslo")]

    engine = ScriptedEngine(step)
    server = serve(engine)
    opened = {**OPENING, "eot": False}
    messages: list[dict[str, Any]] = [{"role": "human", "content": "How is Oslo?"}]
    body = {"tools": [WEATHER], **SPEAK}
    message = message_of(server, messages=[*messages, opened], **body)
    (made,) = message["tool_calls"]
    assert message["tts_content"] == {"tts_text": "I look.", "tts_audio": "<audio_4>"}
    assert json.loads(made["function"]["arguments"]) == {"city": "Oslo"}
    said = {
        "role": "assistant",
        "tts_content": message["tts_content"],
        "tool_calls": message["tool_calls"],
    }
    result = {
        "role": "input",
        "tool_call_id": made["id"],
        "content": [text("The weather is"), text("sunny")],
    }
    last = message_of(server, messages=[*messages, said, result, opened], **body)
    assert last["tts_content"] == {"tts_text": "Sunny.", "tts_audio": "<audio_5>"}
    assert engine.requests[-1].messages[-1].text == "The weather is\nsunny"


def test_stepfun_gets_a_streamed_call_in_one_piece(serve: Serve) -> None:
    engine = ScriptedEngine([*spoken("I look.", 4), call("get_weather", city="Oslo")])
    messages = [{"role": "human", "content": "How is Oslo?"}, {**OPENING, "eot": False}]
    deltas = stepfun_lines(serve(engine), {"messages": messages, "tools": [WEATHER], **SPEAK})
    (delta,) = [delta for delta in deltas if delta.get("tool_calls")]
    (made,) = delta["tool_calls"]
    assert made["id"]
    assert json.loads(made["function"]["arguments"]) == {"city": "Oslo"}
    assert "tts_content" in delta


def test_a_history_from_another_server_is_accepted_unchanged(serve: Serve) -> None:
    engine = ScriptedEngine(["Fine."])
    function = {"name": "get_weather", "arguments": '{"city": "Oslo"}'}
    calls = [
        {"id": f"call_{number}", "type": "function", "function": function} for number in (1, 2)
    ]
    message_of(
        serve(engine),
        messages=[
            {"role": "user", "content": "How is Oslo?"},
            {"role": "assistant", "tool_calls": calls},
            {"role": "tool", "tool_call_id": "call_2", "content": "sunny"},
            {"role": "user", "content": "And now?"},
        ],
    )
    _, _, called, second, first, _ = engine.requests[0].messages
    assert isinstance(called, AssistantMessage)
    assert [call.id for call in called.calls] == ["call_1", "call_2"]
    assert (second.outcome, second.text) == ("ok", "sunny")
    assert (first.call.id, first.outcome) == ("call_1", "cancelled")


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer EMPTY"}])
def test_any_key_any_field_and_any_model_is_accepted(serve: Serve, headers: Any) -> None:
    body = {
        "model": "stepfun-ai/Step-Audio2-mini",
        "messages": [{"role": "user", "content": "hello", "name": "x"}],
        "stream_options": None,
        "service_tier": "auto",
        "unknown": {"deep": [1]},
    }
    answer = serve().client.post(URL, json=body, headers=headers)
    assert answer.json()["choices"][0]["message"]["content"] == "Hello."
    assert answer.json()["model"] == "stepfun-ai/Step-Audio2-mini"
