"""Speech and /generate as livekit, wyoming, vLLM-Omni's and vox-serve's clients ask for them."""

from __future__ import annotations

import base64
import io
import json
import wave
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

from assistant.errors import EngineError
from assistant.messages import UserMessage
from assistant.testing import ScriptedEngine
from tests.support.serving import Hold, Running, Serve, wav

SPEECH = "/v1/audio/speech"
HEADER = 44


def read_wav(data: bytes) -> Any:
    """Reads a WAV as strictly as Python's own reader, which believes the header."""
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24_000)
        assert file.getnframes() * 2 + HEADER == len(data)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_a_wav_that_is_not_streamed_has_its_true_length(serve: Serve) -> None:
    answer = serve(ScriptedEngine(["Hello."])).client.post(SPEECH, json={"input": "Hello."})
    assert answer.headers["content-type"] == "audio/wav"
    assert len(read_wav(answer.content)) == 7_200


@pytest.mark.parametrize("form", ["wav", "flac", "mp3", "opus"])
def test_a_streamed_file_can_be_decoded_too(serve: Serve, form: str) -> None:
    body = {"input": "Hello.", "response_format": form, "stream": True}
    answer = serve(ScriptedEngine(["Hel", "lo."])).client.post(SPEECH, json=body)
    assert "content-length" not in answer.headers
    samples, rate = soundfile.read(io.BytesIO(answer.content), dtype="int16")
    assert rate == 24_000
    assert 7_200 <= len(samples) < 9_600
    assert np.abs(samples).max() > 7_000


def test_livekit_reads_server_sent_events(serve: Serve) -> None:
    body = {
        "model": "gpt-4o-mini-tts",
        "voice": "ash",
        "input": "Hello.",
        "response_format": "mp3",
        "speed": 1.0,
        "stream_format": "sse",
    }
    answer = serve(ScriptedEngine(["Hello."])).client.post(SPEECH, json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-request-id"]
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line]
    *deltas, done = events
    assert {event["type"] for event in deltas} == {"speech.audio.delta"}
    assert done["type"] == "speech.audio.done"
    assert set(done["usage"]) == {"input_tokens", "output_tokens", "total_tokens"}
    data = b"".join(base64.b64decode(event["audio"]) for event in deltas)
    assert len(soundfile.read(io.BytesIO(data))[0]) >= 7_200


def test_a_failure_is_a_status_before_the_first_audio_and_an_event_after_it(serve: Serve) -> None:
    broken = EngineError("out of memory")
    server = serve(ScriptedEngine([broken]))
    answer = server.client.post(SPEECH, json={"input": "Hello.", "response_format": "pcm"})
    assert (answer.status_code, answer.json()["error"]["message"]) == (500, "out of memory")
    server.stop()
    server = serve(ScriptedEngine(["Hel", broken]))
    answer = server.client.post(SPEECH, json={"input": "Hello.", "stream_format": "sse"})
    last = json.loads(answer.text.splitlines()[-2][6:])
    assert last["error"]["message"] == "out of memory"
    # Raw bytes have no place for an error: the connection is closed, so the file is incomplete.
    with pytest.raises(httpx.RemoteProtocolError):
        server.client.post(SPEECH, json={"input": "Hello.", "response_format": "pcm"})
    answer = server.client.post(SPEECH, json={"input": "Hello."})
    assert answer.status_code == 500


def test_an_unknown_format_is_refused_with_the_known_ones(serve: Serve) -> None:
    answer = serve().client.post(SPEECH, json={"input": "Hello.", "response_format": "aac"})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "response_format"
    assert "wav, pcm, mp3, flac, opus" in answer.json()["error"]["message"]


# /generate


@pytest.mark.parametrize("how", ["json", "data", "multipart"])
def test_text_alone_is_read_aloud(serve: Serve, how: str) -> None:
    engine = ScriptedEngine(["Hello."])
    server = serve(engine)
    sent: dict[str, Any] = {how: {"text": "Hello."}}
    if how == "multipart":
        sent = {"files": {"text": (None, "Hello.")}}
    answer = server.client.post("/generate", **sent)
    assert answer.headers["content-type"] == "audio/wav"
    assert len(read_wav(answer.content)) == 7_200
    assert engine.requests[0].task == "read"


def generated(server: Running, **fields: Any) -> httpx.Response:
    return server.client.post("/generate", json={"text": "What is it?", **fields})


def test_a_question_with_a_recording_is_answered(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "a.wav").write_bytes(wav(0.5))
    engine = ScriptedEngine(["A tone."])
    server = serve(engine, server={"audio_folder": tmp_path / "recordings"})
    file = {"audio": ("any name", wav(0.5), "application/octet-stream")}
    answer = server.client.post("/generate", data={"text": "What is it?"}, files=file)
    assert len(read_wav(answer.content)) == 8_400
    assert len(read_wav(generated(server, audio_path="a.wav").content)) == 8_400
    for request in engine.requests:
        question, audio = request.messages[-1].parts
        assert (question, audio.seconds, request.task) == ("What is it?", 0.5, "answer")
    assert server.metric("assistant_audio_in_seconds_total") == pytest.approx(1.0)


def test_no_path_leads_out_of_the_recordings_folder(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    (tmp_path / "secret.wav").write_bytes(wav())
    (folder / "link.wav").symlink_to(tmp_path / "secret.wav")
    (folder / "text.wav").write_text("no sound")
    server = serve(server={"audio_folder": folder})
    outside = ["../secret.wav", str(tmp_path / "secret.wav"), "link.wav", "none.wav", ".", "a\0b"]
    answers = [generated(server, audio_path=path) for path in [*outside, "x" * 5_000]]
    assert {answer.status_code for answer in answers} == {400}
    (detail,) = {answer.json()["detail"] for answer in answers}
    assert detail == "audio_path: no such file in the folder of recordings"
    broken = generated(server, audio_path="text.wav")
    assert broken.status_code == 400
    assert str(tmp_path) not in broken.text


def test_no_path_is_opened_if_no_folder_is_set(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav())
    assert generated(serve(), audio_path=str(tmp_path / "a.wav")).status_code == 400


@pytest.mark.parametrize("body", [{}, {"text": ""}, {"text": 5}, {"text": "a", "streaming": "x"}])
@pytest.mark.parametrize("how", ["json", "data"])
def test_a_request_without_text_has_status_422_and_a_detail(
    serve: Serve, how: str, body: dict[str, Any]
) -> None:
    if how == "data" and body.get("text") == 5:
        body = {"txt": "5"}
    answer = serve().client.post("/generate", **{how: body})
    assert answer.status_code == 422
    assert isinstance(answer.json()["detail"], str)


@pytest.mark.parametrize("how", ["json", "data"])
def test_a_streamed_answer_begins_with_its_own_header(serve: Serve, hold: Hold, how: str) -> None:
    engine = ScriptedEngine(["Hel", hold, "lo."])
    body = {"text": "Hello.", "streaming": True if how == "json" else "1"}
    with serve(engine).client.stream("POST", "/generate", **{how: body}) as answer:
        pieces = answer.iter_raw()
        data = next(pieces)
        assert data[:4] == b"RIFF"
        hold.wait_reached()
        hold.let_go.set()
        data += b"".join(pieces)
    assert data[HEADER - 4 : HEADER] == b"\xff\xff\xff\xff"
    assert len(soundfile.read(io.BytesIO(data))[0]) == 7_200


def test_text_that_arrives_word_by_word_is_spoken_sentence_by_sentence(serve: Serve) -> None:
    engine = ScriptedEngine(lambda request: [request.messages[-1].text])
    server = serve(engine)
    client = server.client
    made = client.post("/generate/stream/start").json()["request_id"]
    root = f"/generate/stream/{made}"
    with client.stream("GET", f"{root}/audio") as answer:
        assert answer.headers["content-type"] == "audio/wav"
        for word in ["Hello", "there.", "And", "bye"]:
            assert client.post(f"{root}/text", data={"text": word}).status_code == 200
        assert client.get(f"{root}/audio").status_code == 409
        assert client.post(f"{root}/end").status_code == 200
        data = b"".join(answer.iter_raw())
    said = [request.messages[-1] for request in engine.requests]
    assert said == [UserMessage(("Hello there.",)), UserMessage(("And bye",))]
    samples = soundfile.read(io.BytesIO(data))[0]
    assert len(samples) == int(12 * 0.05 * 24_000) + int(7 * 0.05 * 24_000)
    assert client.post(f"{root}/text", data={"text": "late"}).status_code == 404
    assert client.get("/generate/stream/none/audio").json() == {"detail": "no such request"}
