"""A clip becomes a voice, which is cached in memory and on disk."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from assistant.audio.samples import Audio
from assistant.engines.checkpoints import default_clips
from assistant.engines.token2wav import (
    Token2Wav,
    Token2WavSettings,
    VoiceCache,
    VoicePrompt,
    VoicePromptEncoder,
)
from assistant.errors import AudioError, EngineError


@pytest.fixture
def clip(tmp_path: Path, voice_clip: Callable[..., Audio]) -> Path:
    path = tmp_path / "clip.wav"
    pcm = voice_clip()
    soundfile.write(path, pcm.samples, pcm.sample_rate)
    return path


def test_a_clip_has_25_tokens_per_second_and_two_frames_per_token(
    encoder: VoicePromptEncoder, voice_clip: Callable[..., Audio]
) -> None:
    prompt = encoder.encode(voice_clip(2.0))
    assert prompt.tokens.shape == (50,)
    assert prompt.mel.shape == (100, 80)
    assert prompt.speaker.shape == (192,)
    assert prompt.seconds == 2.0


@pytest.mark.parametrize("seconds", [0.5, 0.51, 0.777, 1.234, 2.999])
def test_tokens_and_frames_match_at_any_length(
    encoder: VoicePromptEncoder, voice_clip: Callable[..., Audio], seconds: float
) -> None:
    prompt = encoder.encode(voice_clip(seconds))
    assert len(prompt.mel) == 2 * len(prompt.tokens)
    assert np.isfinite(prompt.mel).all()


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100, 48_000, 96_000])
def test_a_clip_at_any_rate_gives_nearly_the_same_voice(
    encoder: VoicePromptEncoder, voice_clip: Callable[..., Audio], rate: int
) -> None:
    at_24k, other = (
        encoder.encode(voice_clip()),
        encoder.encode(voice_clip(rate=rate)),
    )
    assert len(other.tokens) == len(at_24k.tokens)
    low = slice(0, 40)  # bins below the limit of all rates
    assert np.abs(other.mel[4:-4, low] - at_24k.mel[4:-4, low]).mean() < 0.2


def test_a_long_clip_is_truncated(folder: Path, voice_clip: Callable[..., Audio]) -> None:
    prompt = VoicePromptEncoder(folder, max_seconds=3.0).encode(voice_clip(5.0))
    assert prompt.seconds == 3.0


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (np.full(4_800, 0.1, np.float32), "too short"),
        (np.zeros(0, np.float32), "too short"),
        (np.zeros(48_000, np.float32), "silent"),
        (np.full(48_000, np.nan, np.float32), "no numbers"),
        (np.full(48_000, np.inf, np.float32), "no numbers"),
    ],
)
def test_a_clip_without_a_voice_is_refused_in_one_line(
    encoder: VoicePromptEncoder, samples: Any, said: str
) -> None:
    with pytest.raises(AudioError, match=said) as caught:
        encoder.encode(Audio(samples, 24_000), "kim.wav")
    assert str(caught.value).startswith("kim.wav: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("channels", [1, 2])
def test_files_of_any_bit_depth_and_channel_count_become_voices(
    token2wav: Token2Wav,
    encoder: VoicePromptEncoder,
    tmp_path: Path,
    voice_clip: Callable[..., Audio],
    subtype: str,
    channels: int,
) -> None:
    path = tmp_path / "clip.wav"
    pcm = voice_clip(1.0, rate=96_000)
    soundfile.write(path, np.stack([pcm.samples] * channels, 1), 96_000, subtype=subtype)
    voice = VoiceCache(token2wav, encoder, None).get(path)
    assert voice.tokens == 25


def test_a_file_that_is_not_audio_is_refused(
    token2wav: Token2Wav, encoder: VoicePromptEncoder, tmp_path: Path
) -> None:
    voices = VoiceCache(token2wav, encoder, None)
    (tmp_path / "clip.wav").write_bytes(b"RIFF but not really")
    for path in (tmp_path / "clip.wav", tmp_path / "absent.wav", tmp_path):
        with pytest.raises(AudioError) as caught:
            voices.get(path)
        assert str(path) in str(caught.value)


def test_a_voice_is_prepared_once_and_cached(
    token2wav: Token2Wav, encoder: VoicePromptEncoder, clip: Path
) -> None:
    voices = VoiceCache(token2wav, encoder, None)
    assert voices.get(clip) is voices.get(clip)


def test_a_replaced_clip_is_prepared_again(
    token2wav: Token2Wav,
    encoder: VoicePromptEncoder,
    clip: Path,
    voice_clip: Callable[..., Audio],
) -> None:
    voices = VoiceCache(token2wav, encoder, None)
    before = voices.get(clip)
    soundfile.write(clip, voice_clip(1.0).samples, 24_000)
    assert voices.get(clip).tokens != before.tokens


def test_a_voice_on_disk_is_used_by_the_next_process(
    token2wav: Token2Wav,
    encoder: VoicePromptEncoder,
    folder: Path,
    clip: Path,
    tmp_path: Path,
) -> None:
    made = VoiceCache(token2wav, encoder, tmp_path / "kept").prompt(clip)
    (file,) = (tmp_path / "kept").iterdir()
    unable = NoMaker(folder)
    again = VoiceCache(token2wav, unable, tmp_path / "kept").prompt(clip)
    assert np.array_equal(made.tokens, again.tokens)
    assert np.array_equal(made.mel, again.mel)
    assert np.array_equal(made.speaker, again.speaker)
    assert file.suffix == ".safetensors"


class NoMaker(VoicePromptEncoder):
    def encode(self, clip: Audio, name: str = "the clip") -> VoicePrompt:
        raise AssertionError("nothing had to be made")


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "version"])
def test_a_damaged_file_on_disk_is_written_again(
    token2wav: Token2Wav,
    encoder: VoicePromptEncoder,
    clip: Path,
    tmp_path: Path,
    damage: str,
) -> None:
    voices = VoiceCache(token2wav, encoder, tmp_path / "kept")
    made = voices.prompt(clip)
    (file,) = (tmp_path / "kept").iterdir()
    data = bytearray(file.read_bytes())
    if damage == "bit":
        data[-100] ^= 1
    elif damage == "version":
        data = bytearray(bytes(data).replace(b'"version":"1"', b'"version":"0"'))
    file.write_bytes({"cut": data[:-50], "empty": b""}.get(damage, data))
    assert VoicePrompt.read(file) is None
    assert np.array_equal(voices.prompt(clip).mel, made.mel)
    assert VoicePrompt.read(file) is not None


def test_an_unwritable_folder_does_not_stop_the_voice(
    token2wav: Token2Wav, encoder: VoicePromptEncoder, clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    voices = VoiceCache(token2wav, encoder, tmp_path / "file" / "kept")
    assert voices.get(clip).tokens == 50


def test_the_oldest_voices_are_evicted_beyond_the_memory_budget(
    folder: Path,
    encoder: VoicePromptEncoder,
    token2wav: Token2Wav,
    tmp_path: Path,
    voice_clip: Callable[..., Audio],
) -> None:
    clips = []
    for index in range(4):
        clips.append(tmp_path / f"{index}.wav")
        soundfile.write(clips[-1], voice_clip(1.0, pitch=100.0 + 40 * index).samples, 24_000)
    one = VoiceCache(token2wav, encoder, None).get(clips[0]).nbytes
    settings = Token2WavSettings(device="cpu", precision="float32", voice_bytes=int(2.5 * one))
    voices = VoiceCache(Token2Wav.load(folder, settings), encoder, None)
    first = voices.get(clips[0])
    voices.get(clips[1])
    assert voices.get(clips[0]) is first  # used again: now the newest
    voices.get(clips[2])
    assert voices.get(clips[0]) is first
    assert voices.nbytes <= 2.5 * one
    voices.get(clips[1])
    voices.get(clips[3])
    assert voices.get(clips[0]) is not first


def test_threads_that_request_one_voice_prepare_it_once(
    token2wav: Token2Wav, folder: Path, clip: Path
) -> None:
    encoder = CountingEncoder(folder)
    voices = VoiceCache(token2wav, encoder, None)
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(voices.get(clip))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert encoder.count == 1
    assert len(found) == 5
    assert all(voice is found[0] for voice in found)


class CountingEncoder(VoicePromptEncoder):
    count = 0

    def encode(self, clip: Audio, name: str = "the clip") -> VoicePrompt:
        self.count += 1
        return super().encode(clip, name)


def test_a_failed_clip_is_prepared_again_at_the_next_request(
    token2wav: Token2Wav,
    encoder: VoicePromptEncoder,
    clip: Path,
    voice_clip: Callable[..., Audio],
) -> None:
    voices = VoiceCache(token2wav, encoder, None)
    soundfile.write(clip, np.zeros(24_000, np.float32), 24_000)
    for _ in range(2):
        with pytest.raises(AudioError, match="silent"):
            voices.get(clip)
    soundfile.write(clip, voice_clip(1.0).samples, 24_000)
    assert voices.get(clip).tokens == 25


def test_a_model_failure_on_a_clip_is_an_engine_error(
    folder: Path, tmp_path: Path, voice_clip: Callable[..., Audio]
) -> None:
    import onnx

    for name in ("campplus.onnx", "speech_tokenizer_v2_25hz.onnx"):
        model = onnx.load(folder / name)
        if name == "campplus.onnx":
            model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 81
        onnx.save(model, tmp_path / name)
    with pytest.raises(EngineError, match=r"campplus\.onnx: (failed|not a model)"):
        VoicePromptEncoder(tmp_path).encode(voice_clip())


def test_the_clips_of_a_checkpoint_lie_in_its_assets(tmp_path: Path) -> None:
    assert default_clips(tmp_path) == {}
    (tmp_path / "assets").mkdir()
    for name in ("default_male.wav", "default_female.wav", "music.wav"):
        (tmp_path / "assets" / name).touch()
    clips = default_clips(tmp_path)
    assert list(clips) == ["default_female", "default_male"]
