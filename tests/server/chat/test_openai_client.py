"""The official openai package, unmodified, against a server that runs."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import openai
import pytest
import soundfile

from assistant import tool
from assistant.audio.samples import Audio
from assistant.config import Sampling
from assistant.engines.base import EngineRequest, Finish
from assistant.errors import AudioError, EngineError, UnsupportedError
from assistant.events import TextDelta, Transcript
from assistant.messages import AssistantMessage, SystemMessage, ToolMessage, UserMessage
from assistant.testing import ScriptedEngine
from tests.support.serving import Running, Serve, wav
from tests.support.tool_calls import call

DOOR = {
    "type": "function",
    "function": {
        "name": "open_door",
        "description": "Opens a door.",
        "parameters": {
            "type": "object",
            "properties": {"which": {"type": "string"}},
            "additionalProperties": False,
            "title": "open_door",
        },
        "strict": True,
    },
}
BUNDLED = ["audio_search", "date_time", "weather", "web_search"]
HELLO = [{"role": "user", "content": "hello"}]
Connect = Callable[[Running], openai.OpenAI]


@pytest.fixture
def connect() -> Iterator[Connect]:
    clients: list[openai.OpenAI] = []

    def make(server: Running) -> openai.OpenAI:
        base_url = f"http://127.0.0.1:{server.port}/v1"
        clients.append(openai.OpenAI(base_url=base_url, api_key="anything", max_retries=0))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@tool(side_effect="none")
async def stock(item: str) -> str:
    """Says how many there are."""
    return f"12 {item}"


def samples_of(file: bytes) -> Any:
    samples, rate = soundfile.read(io.BytesIO(file), dtype="int16")
    assert rate == 24_000
    return samples


def test_a_text_request_gets_an_answer_in_text(serve: Serve, connect: Connect) -> None:
    engine = ScriptedEngine(["Hel", "lo.", Finish("stop", (1, 2, 3), 7)])
    answer = connect(serve(engine)).chat.completions.create(
        model="gpt-4o-audio-preview",
        messages=[{"role": "system", "content": "Be brief."}, *HELLO],
    )
    (choice,) = answer.choices
    assert (choice.message.role, choice.message.content) == ("assistant", "Hello.")
    assert (choice.finish_reason, choice.message.audio) == ("stop", None)
    assert (answer.model, answer.object) == ("gpt-4o-audio-preview", "chat.completion")
    assert answer.usage.model_dump(exclude_none=True) == {
        "prompt_tokens": 7,
        "completion_tokens": 3,
        "total_tokens": 10,
    }
    (request,) = engine.requests
    assert request.messages == (SystemMessage("Be brief."), UserMessage(("hello",)))
    assert not request.speak


def test_an_answer_in_speech_is_a_whole_file_with_its_transcript(
    serve: Serve, connect: Connect
) -> None:
    engine = ScriptedEngine(["Hel", "lo."])
    answer = connect(serve(engine)).chat.completions.create(
        model="m",
        messages=HELLO,
        modalities=["text", "audio"],
        audio={"voice": "alloy", "format": "wav"},
    )
    audio = answer.choices[0].message.audio
    assert audio.transcript == "Hello."
    assert audio.expires_at > answer.created
    assert len(samples_of(base64.b64decode(audio.data))) == int(6 * 0.05 * 24_000)
    assert engine.requests[0].speak
    assert engine.requests[0].voice.id == "default"


@pytest.mark.parametrize("form", ["wav", "mp3", "flac", "opus", "pcm16"])
def test_every_format_of_an_answer_in_speech_can_be_decoded(
    serve: Serve, connect: Connect, form: Any
) -> None:
    answer = connect(serve(ScriptedEngine(["Hello there."]))).chat.completions.create(
        model="m",
        messages=HELLO,
        modalities=["text", "audio"],
        audio={"voice": "v", "format": form},
    )
    data = base64.b64decode(answer.choices[0].message.audio.data)
    samples = np.frombuffer(data, "<i2") if form == "pcm16" else samples_of(data)
    assert abs(len(samples) - 14_400) < 2_400
    assert 7_000 < np.abs(samples).max() < 9_000


def test_a_stream_has_text_piece_by_piece_and_usage_only_if_asked(
    serve: Serve, connect: Connect
) -> None:
    client = connect(serve(ScriptedEngine(["Hel", "lo.", Finish("length", (1, 2), 3)])))
    asked: dict[str, Any] = {"model": "m", "messages": HELLO, "stream": True}
    chunks = list(client.chat.completions.create(**asked))
    assert all(len(chunk.choices) == 1 for chunk in chunks)
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert deltas[0].role == "assistant"
    assert [delta.content for delta in deltas if delta.content] == ["Hel", "lo."]
    assert chunks[-1].choices[0].finish_reason == "length"
    *_, last = client.chat.completions.create(**asked, stream_options={"include_usage": True})
    assert last.choices == []
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (3, 2)


def test_a_stream_of_speech_is_raw_samples_and_their_transcript(
    serve: Serve, connect: Connect
) -> None:
    stream = connect(serve(ScriptedEngine(["Hel", "lo."]))).chat.completions.create(
        model="m",
        messages=HELLO,
        modalities=["text", "audio"],
        audio={"voice": {"id": "nobody"}, "format": "pcm16"},
        stream=True,
    )
    parts = [chunk.choices[0].delta.to_dict().get("audio") or {} for chunk in stream]
    data = b"".join(base64.b64decode(part.get("data", "")) for part in parts)
    assert "".join(part.get("transcript", "") for part in parts) == "Hello."
    assert len(data) == 2 * int(3 * 0.05 * 24_000) * 2
    assert len({part["id"] for part in parts if part}) == 1
    assert [part for part in parts if part][-1]["expires_at"] > 0


def test_the_users_audio_reaches_the_engine(serve: Serve, connect: Connect) -> None:
    engine = ScriptedEngine([Transcript("what time is it"), "Noon."])
    pcm = np.full(2_400, 8_192, "<i2").tobytes()
    parts = [
        {"type": "text", "text": "Listen:"},
        {"type": "input_audio", "input_audio": {"data": encoded(wav(0.5)), "format": "wav"}},
        {"type": "input_audio", "input_audio": {"data": encoded(pcm), "format": "pcm16"}},
        {"type": "audio_url", "audio_url": {"url": f"data:audio/wav;base64,{encoded(wav(0.25))}"}},
    ]
    answer = connect(serve(engine)).chat.completions.create(
        model="m", messages=[{"role": "user", "content": parts}]
    )
    assert answer.choices[0].message.content == "Noon."
    assert answer.model_extra["assistant_events"] == [
        {"type": "transcript", "text": "what time is it"}
    ]
    text, *recordings = engine.requests[0].messages[-1].parts
    assert text == "Listen:"
    heard = [(round(clip.seconds, 2), clip.sample_rate) for clip in recordings]
    assert heard == [(0.5, 16_000), (0.1, 24_000), (0.25, 16_000)]
    assert recordings[1].samples == pytest.approx(0.25)


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def test_a_call_of_the_clients_tool_is_returned_and_its_result_answered(
    serve: Serve, connect: Connect
) -> None:
    engine = ScriptedEngine(
        lambda request: (
            ["It is open."]
            if isinstance(request.messages[-1], ToolMessage)
            else [call("open_door", which="front")]
        )
    )
    client = connect(serve(engine))
    messages: list[Any] = [*HELLO]
    answer = client.chat.completions.create(model="m", messages=messages, tools=[DOOR])
    (choice,) = answer.choices
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    (made,) = choice.message.tool_calls
    assert made.function.name == "open_door"
    assert json.loads(made.function.arguments) == {"which": "front"}
    offered = {schema.name: schema for schema in engine.requests[0].tools}
    assert offered["open_door"].parameters == DOOR["function"]["parameters"]
    messages += [choice.message, {"role": "tool", "tool_call_id": made.id, "content": "open"}]
    answer = client.chat.completions.create(model="m", messages=messages, tools=[DOOR])
    assert answer.choices[0].message.content == "It is open."
    result = engine.requests[1].messages[-1]
    assert (result.call.id, result.outcome, result.text) == (made.id, "ok", "open")


def test_server_and_client_tools_work_together_and_lose_nothing_of_a_turn(
    serve: Serve, connect: Connect
) -> None:
    def step(request: EngineRequest) -> list[Any]:
        results = [m.text for m in request.messages if isinstance(m, ToolMessage)]
        if not results:
            return ["Let me see. ", call("stock", item="keys"), Finish("tool_calls", (1, 2))]
        if len(results) == 1:
            return [call("open_door", which="front"), Finish("tool_calls", (3,))]
        return ["Open, and 12 keys are left."]

    engine = ScriptedEngine(step)
    client = connect(serve(engine, stock))
    messages: list[Any] = [*HELLO]
    answer = client.chat.completions.create(model="m", messages=messages, tools=[DOOR])
    events = answer.model_extra["assistant_events"]
    assert [event["type"] for event in events] == ["tool_call_started", "tool_call_finished"]
    assert events[1]["result"] == "12 keys"
    message = answer.choices[0].message
    (made,) = message.tool_calls
    messages += [message, {"role": "tool", "tool_call_id": made.id, "content": "open"}]
    answer = client.chat.completions.create(model="m", messages=messages, tools=[DOOR])
    assert answer.choices[0].message.content == "Open, and 12 keys are left."
    # The client never saw these messages, and the engine's own ids: the server remembers them.
    _, _, lead_in, counted, called, opened = engine.requests[-1].messages
    assert (lead_in.text, lead_in.tokens) == ("Let me see. ", (1, 2))
    assert (counted.text, called.tokens, opened.text) == ("12 keys", (3,), "open")


def test_a_streamed_call_is_complete_in_one_delta(serve: Serve, connect: Connect) -> None:
    calls = call("open_door", which="front") + call("open_door", which="back")
    stream = connect(serve(ScriptedEngine(["Wait. ", calls]))).chat.completions.create(
        model="m", messages=HELLO, tools=[DOOR], stream=True
    )
    chunks = list(stream)
    (made,) = [c.choices[0].delta.tool_calls for c in chunks if c.choices[0].delta.tool_calls]
    assert [(one.index, one.type, one.function.name) for one in made] == [
        (0, "function", "open_door"),
        (1, "function", "open_door"),
    ]
    which = [json.loads(one.function.arguments)["which"] for one in made]
    assert which == ["front", "back"]
    assert len({one.id for one in made}) == 2
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_server_tools_appear_in_the_stream_in_a_field_of_their_own(
    serve: Serve, connect: Connect
) -> None:
    engine = ScriptedEngine([call("stock", item="keys")], ["Twelve."])
    chunks = list(
        connect(serve(engine, stock)).chat.completions.create(
            model="m", messages=HELLO, stream=True
        )
    )
    events = [chunk.model_extra.get("assistant_event") for chunk in chunks]
    kinds = [event["type"] for event in events if event]
    assert kinds == ["tool_call_started", "tool_call_finished"]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Twelve."
    assert not any(chunk.choices[0].delta.tool_calls for chunk in chunks)


@pytest.mark.parametrize(
    ("choice", "offered", "must"),
    [
        ("none", [], False),
        ("auto", ["open_door", "stock"], False),
        ("required", ["open_door", "stock"], True),
        ({"type": "function", "function": {"name": "open_door"}}, ["open_door"], True),
    ],
)
def test_tool_choice_reaches_the_engine(
    serve: Serve, connect: Connect, choice: Any, offered: list[str], must: bool
) -> None:
    engine = ScriptedEngine(["Hello."])
    server = serve(engine, stock, plugins={"deny": BUNDLED})
    connect(server).chat.completions.create(
        model="m", messages=HELLO, tools=[DOOR], tool_choice=choice
    )
    assert sorted(schema.name for schema in engine.requests[0].tools) == offered
    assert engine.requests[0].must_call is must


def test_the_sampling_of_the_request_is_used_in_the_turn(serve: Serve, connect: Connect) -> None:
    engine = ScriptedEngine(["Hello."])
    client = connect(serve(engine))
    client.chat.completions.create(
        model="m",
        messages=HELLO,
        temperature=0.1,
        top_p=0.5,
        seed=7,
        stop=["\n", "END"],
        max_completion_tokens=5,
        extra_body={"repetition_penalty": 1.2, "top_k": -1},
    )
    sampling = engine.requests[0].sampling
    assert sampling == Sampling(
        temperature=0.1,
        top_p=0.5,
        seed=7,
        stop=("\n", "END"),
        max_tokens=5,
        repetition_penalty=1.2,
    )
    client.chat.completions.create(model="m", messages=HELLO)
    assert engine.requests[1].sampling == Sampling()


def test_an_answer_in_speech_is_referenced_by_its_id_in_the_next_request(
    serve: Serve, connect: Connect
) -> None:
    engine = ScriptedEngine(["Hello.", Finish("stop", (1, 2))])
    client = connect(serve(engine))
    spoken: dict[str, Any] = {
        "modalities": ["text", "audio"],
        "audio": {"voice": "v", "format": "wav"},
    }
    first = client.chat.completions.create(model="m", messages=HELLO, **spoken)
    said = {"role": "assistant", "audio": {"id": first.choices[0].message.audio.id}}
    client.chat.completions.create(model="m", messages=[*HELLO, said, *HELLO], **spoken)
    assert engine.requests[1].messages[2] == AssistantMessage("Hello.", (), (1, 2))
    unknown = {"role": "assistant", "audio": {"id": "audio_x"}}
    with pytest.raises(openai.BadRequestError, match="not known any more"):
        client.chat.completions.create(model="m", messages=[*HELLO, unknown, *HELLO])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": 2}, "n: only one answer"),
        ({"response_format": {"type": "json_object"}}, "response_format: "),
        ({"logprobs": True}, "logprobs: "),
        ({"temperature": 3}, "temperature: "),
        ({"max_tokens": 0}, "max_tokens: "),
        ({"messages": []}, "messages: "),
        ({"messages": [{"role": "user", "content": " "}]}, r"messages\[0\]: an empty message"),
        ({"messages": [{"role": "robot", "content": "hi"}]}, "messages.0.role: "),
        ({"tool_choice": {"type": "function", "function": {"name": "x"}}}, "no tool 'x'"),
        ({"modalities": ["audio"], "audio": {"voice": "v", "format": "aac"}}, "'aac' is no format"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools.0.function.name: "),
        ({"messages": [{"role": "tool", "tool_call_id": "x", "content": "y"}]}, "no call 'x'"),
    ],
)
def test_an_unsupported_request_is_refused_in_a_line(
    serve: Serve, connect: Connect, change: dict[str, Any], message: str
) -> None:
    client = connect(serve())
    with pytest.raises(openai.BadRequestError, match=message) as caught:
        client.chat.completions.create(**{"model": "m", "messages": HELLO, **change})
    assert caught.value.body["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("data", "message"),
    [("!!!", "not base64"), (encoded(b"no sound"), "the audio"), (encoded(wav(2.0)), "too long")],
)
def test_audio_that_can_not_be_used_is_refused(
    serve: Serve, connect: Connect, data: str, message: str
) -> None:
    part = {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}
    client = connect(serve(max_audio_s=1.0))
    with pytest.raises(openai.BadRequestError, match=message):
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": [part]}])


def test_an_engine_that_fails_at_once_is_an_error_and_later_ends_the_stream_with_an_error(
    serve: Serve, connect: Connect
) -> None:
    def step(request: EngineRequest) -> list[Any]:
        late = ["Well, ", RuntimeError("/secret/path")]
        return late if request.messages[-1].text == "hello" else [EngineError("out of memory")]

    client = connect(serve(ScriptedEngine(step)))
    for stream in (False, True):
        with pytest.raises(openai.InternalServerError, match="out of memory"):
            client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "now"}], stream=stream
            )
    stream = client.chat.completions.create(model="m", messages=HELLO, stream=True)
    with pytest.raises(openai.APIError, match="failed unexpectedly") as caught:
        list(stream)
    assert "secret" not in str(caught.value)
    with pytest.raises(openai.InternalServerError, match="failed unexpectedly"):
        client.chat.completions.create(model="m", messages=HELLO)


@pytest.mark.parametrize("error", [UnsupportedError("can't"), AudioError("can't")])
def test_a_request_that_the_engine_cannot_serve_is_a_client_error(
    serve: Serve, connect: Connect, error: Exception
) -> None:
    client = connect(serve(ScriptedEngine([error])))
    with pytest.raises(openai.BadRequestError, match="can't"):
        client.chat.completions.create(model="m", messages=HELLO)


def test_one_model_is_listed_and_every_model_name_is_accepted(
    serve: Serve, connect: Connect
) -> None:
    client = connect(serve())
    assert [model.id for model in client.models.list()] == ["scripted"]
    assert client.models.retrieve("stepfun-ai/Step-Audio-2-mini").object == "model"


@pytest.mark.parametrize("form", ["wav", "pcm", "mp3", "flac", "opus"])
def test_speech_is_available_in_every_format(serve: Serve, connect: Connect, form: Any) -> None:
    engine = ScriptedEngine(["Read ", "aloud, at length."])
    speech = connect(serve(engine)).audio.speech.create(
        model="gpt-4o-mini-tts",
        input="Read aloud, at length.",
        voice="marin",
        response_format=form,
        instructions="Speak slowly.",
        speed=1.0,
    )
    data = speech.content
    samples = np.frombuffer(data, "<i2") if form == "pcm" else samples_of(data)
    assert abs(len(samples) - int(22 * 0.05 * 24_000)) < 3_000
    (request,) = engine.requests
    assert request.task == "read"
    assert request.messages == (
        SystemMessage("Speak slowly."),
        UserMessage(("Read aloud, at length.",)),
    )


def test_speech_is_streamed_while_it_is_generated(
    serve: Serve, connect: Connect, hold: Any
) -> None:
    engine = ScriptedEngine(["One. ", hold, "Two."])
    speech = connect(serve(engine)).audio.speech.with_streaming_response
    with speech.create(model="m", input="One. Two.", voice="v", response_format="pcm") as answer:
        assert answer.headers["content-type"] == "audio/pcm"
        pieces = answer.iter_bytes()
        data = next(pieces)
        hold.wait_reached()
        assert 0 < len(data) <= 2 * int(5 * 0.05 * 24_000)
        hold.let_go.set()
        data += b"".join(pieces)
    assert len(data) == 2 * (int(5 * 0.05 * 24_000) + int(4 * 0.05 * 24_000))


def test_a_library_voice_can_be_requested_for_speech_and_chat(
    serve: Serve, connect: Connect
) -> None:
    engine = ScriptedEngine(["Deep."])
    client = connect(serve(engine))
    client.audio.speech.create(model="m", input="Deep.", voice="awb")
    client.chat.completions.create(
        model="m",
        messages=HELLO,
        modalities=["text", "audio"],
        audio={"voice": "awb", "format": "wav"},
    )
    assert [request.voice.id for request in engine.requests] == ["awb", "awb"]


@pytest.mark.parametrize("text", ["", "  "])
def test_a_speech_request_without_text_is_refused(
    serve: Serve, connect: Connect, text: str
) -> None:
    with pytest.raises(openai.BadRequestError, match="input: there is nothing to say"):
        connect(serve()).audio.speech.create(model="m", input=text, voice="v")


def listener(*acts: Any) -> ScriptedEngine:
    """Returns an engine that yields a transcript and no audio, as in that task."""
    return ScriptedEngine([TextDelta(act) if isinstance(act, str) else act for act in acts])


def test_a_transcription_is_available_in_every_format(serve: Serve, connect: Connect) -> None:
    engine = listener("what time ", "is it")
    create = connect(serve(engine)).audio.transcriptions.create
    file = ("audio.wav", wav(0.5), "audio/wav")
    answer = create(model="whisper-1", file=file)
    assert answer.text == "what time is it"
    assert answer.usage.seconds == 0.5
    assert create(model="m", file=file, response_format="text").strip() == "what time is it"
    verbose = create(model="m", file=file, response_format="verbose_json", language="en")
    assert (verbose.duration, verbose.language, verbose.text) == (0.5, "en", "what time is it")
    assert [(one.start, one.end, one.text) for one in verbose.segments] == [
        (0.0, 0.5, "what time is it")
    ]
    srt = create(model="m", file=file, response_format="srt")
    assert srt.startswith("1\n00:00:00,000 --> 00:00:00,500\nwhat time is it\n")
    assert create(model="m", file=file, response_format="vtt").startswith("WEBVTT\n\n00:00:00.000")
    assert {request.task for request in engine.requests} == {"transcribe"}
    (clip,) = engine.requests[0].messages[-1].parts
    assert isinstance(clip, Audio)
    assert (clip.seconds, clip.sample_rate) == (0.5, 16_000)


def test_a_transcription_can_be_streamed(serve: Serve, connect: Connect) -> None:
    stream = connect(serve(listener("what time ", "is it"))).audio.transcriptions.create(
        model="gpt-4o-mini-transcribe", file=("a.wav", wav(), "audio/x-wav"), stream=True
    )
    events = list(stream)
    assert [event.type for event in events] == [
        "transcript.text.delta",
        "transcript.text.delta",
        "transcript.text.done",
    ]
    assert events[-1].text == "what time is it"


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_a_translation_is_requested_in_english(serve: Serve, connect: Connect) -> None:
    engine = listener("good day")
    answer = connect(serve(engine)).audio.translations.create(
        model="whisper-1", file=("a.wav", wav(), "audio/wav")
    )
    assert answer.text == "good day"
    assert (engine.requests[0].task, engine.requests[0].language) == ("translate", "en")


def test_broken_audio_is_refused(serve: Serve, connect: Connect) -> None:
    with pytest.raises(openai.BadRequestError, match="can't be read"):
        connect(serve()).audio.transcriptions.create(model="m", file=("a.wav", b"RIFFxx"))
