"""All audio of one request shares one budget: files, URLs, seconds, and memory while decoding."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
import soundfile

from assistant.errors import AudioError
from assistant.server.audio.decode import DECODED_RATE, decode_audio
from assistant.testing import ScriptedEngine
from tests.support.serving import Serve


def recording(seconds: float, rate: int = 16_000, kind: str = "WAV", channels: int = 1) -> bytes:
    buffer = io.BytesIO()
    samples = np.random.default_rng(0).normal(0, 0.1, (int(seconds * rate), channels))
    soundfile.write(buffer, samples, rate, format=kind)
    return buffer.getvalue()


def part(data: bytes) -> dict[str, Any]:
    audio = {"data": base64.b64encode(data).decode(), "format": "wav"}
    return {"type": "input_audio", "input_audio": audio}


def chat(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def test_pieces_of_audio_share_the_seconds_of_the_request(serve: Serve) -> None:
    client = serve(ScriptedEngine(["Yes."]), max_audio_s=3.0).client
    one = part(recording(1.0))
    assert client.post("/v1/chat/completions", json=chat(one, one)).status_code == 200
    refused = client.post("/v1/chat/completions", json=chat(one, one, one, one))
    assert refused.status_code == 400
    assert "too long" in refused.json()["error"]["message"]


def test_pieces_in_different_messages_share_them_too(serve: Serve) -> None:
    client = serve(ScriptedEngine(["Yes."]), max_audio_s=3.0).client
    message = {"role": "user", "content": [part(recording(1.0))]}
    answer = client.post("/v1/chat/completions", json={"messages": [message] * 4})
    assert answer.status_code == 400


def test_too_many_pieces_are_a_413(serve: Serve) -> None:
    client = serve(server={"limits": {"max_audio_files": 3}}).client
    answer = client.post("/v1/chat/completions", json=chat(*[part(recording(0.1))] * 4))
    assert answer.status_code == 413
    assert "too many pieces" in answer.json()["error"]["message"]


def test_too_many_urls_are_a_413_before_the_last_one_is_fetched(serve: Serve) -> None:
    server = serve(server={"limits": {"max_audio_urls": 2}})
    fetched: list[str] = []

    async def fetch(url: str, owner: str) -> bytes:
        fetched.append(url)
        return recording(0.2)

    server.app.state.server.fetch = fetch
    urls = [{"type": "audio_url", "audio_url": {"url": f"https://a.example/{n}"}} for n in range(3)]
    answer = server.client.post("/v1/chat/completions", json=chat(*urls))
    assert answer.status_code == 413
    assert fetched == ["https://a.example/0", "https://a.example/1"]


def test_each_request_has_a_budget_of_its_own(serve: Serve) -> None:
    client = serve(ScriptedEngine(["Yes."] * 3), max_audio_s=1.5).client
    for _ in range(3):
        body = chat(part(recording(1.0)))
        assert client.post("/v1/chat/completions", json=body).status_code == 200


@pytest.mark.anyio
@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 44_100, 48_000, 96_000])
async def test_audio_is_decoded_to_24_khz_at_most(rate: int) -> None:
    audio = await decode_audio(recording(0.5, rate, channels=2), max_seconds=1.0)
    assert audio.sample_rate == min(rate, DECODED_RATE)
    assert audio.seconds == pytest.approx(0.5, abs=0.001)


@pytest.mark.anyio
async def test_a_tone_keeps_its_pitch_and_level_when_it_is_resampled_block_by_block() -> None:
    time = np.arange(4 * 96_000) / 96_000
    buffer = io.BytesIO()
    soundfile.write(buffer, 0.5 * np.sin(2 * np.pi * 440 * time), 96_000, format="FLAC")
    audio = await decode_audio(buffer.getvalue(), max_seconds=10.0)
    spectrum = np.abs(np.fft.rfft(audio.samples)) / len(audio.samples) * 2
    assert spectrum.argmax() * audio.sample_rate / len(audio.samples) == pytest.approx(440, abs=0.5)
    assert spectrum.max() == pytest.approx(0.5, abs=0.01)


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["WAV", "AIFF", "FLAC", "OGG", "MP3", "RF64"])
async def test_usual_formats_are_decoded(kind: str) -> None:
    audio = await decode_audio(recording(0.5, kind=kind), max_seconds=1.0)
    assert audio.seconds == pytest.approx(0.5, abs=0.1)


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["AU", "CAF", "W64", "VOC", "MAT5", "PVF", "AVR", "IRCAM"])
async def test_rare_formats_do_not_reach_their_parsers(kind: str) -> None:
    with pytest.raises(AudioError, match="can't be read"):
        await decode_audio(recording(0.5, kind=kind), max_seconds=1.0)
