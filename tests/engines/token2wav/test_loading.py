"""A checkpoint's files are checked; the error names the file and the problem."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from assistant.engines.token2wav import Token2Wav, Token2WavSettings, VoicePromptEncoder
from assistant.engines.token2wav.checkpoint import read_guidance
from assistant.errors import EngineError, SettingsError

CPU = Token2WavSettings(device="cpu", precision="float32")


@pytest.fixture
def broken(folder: Path, tmp_path: Path) -> Path:
    """A copy of a checkpoint that a test may damage."""
    return Path(shutil.copytree(folder, tmp_path / "token2wav"))


def complaint(folder: Path) -> str:
    with pytest.raises(EngineError) as caught:
        Token2Wav.load(folder, CPU)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", ["flow.pt", "hift.pt", "flow.yaml"])
def test_a_missing_file_is_named(broken: Path, name: str) -> None:
    (broken / name).unlink()
    assert complaint(broken).startswith(f"{broken / name}: no such file")


@pytest.mark.parametrize("name", ["flow.pt", "hift.pt"])
@pytest.mark.parametrize("content", [b"", b"not a zip", b"\x80\x02garbage."])
def test_a_file_without_weights_is_named(broken: Path, name: str, content: bytes) -> None:
    (broken / name).write_bytes(content)
    assert f"{broken / name}: not weights that can be read" in complaint(broken)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_file_is_named(broken: Path, share: float) -> None:
    path = broken / "flow.pt"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert f"{path}: not weights that can be read" in complaint(broken)


def test_code_in_a_weights_file_is_not_run(broken: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
            return Path.touch, (tmp_path / "ran",)

    (broken / "flow.pt").write_bytes(pickle.dumps(Bomb(), protocol=2))
    complaint(broken)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("value", [[], {}, {"a": 1}, torch.zeros(3)])
def test_a_file_of_something_else_is_not_taken_for_weights(broken: Path, value: Any) -> None:
    torch.save(value, broken / "flow.pt")
    complaint(broken)


def changed(path: Path, change: Any) -> None:
    weights = torch.load(path, weights_only=True)
    change(weights)
    torch.save(weights, path)


def test_a_missing_parameter_is_named(broken: Path) -> None:
    name = "encoder.after_norm.bias"
    changed(broken / "flow.pt", lambda weights: weights.pop(name))
    assert f"{name} is absent" in complaint(broken)


def test_an_unexpected_parameter_is_named(broken: Path) -> None:
    changed(
        broken / "hift.pt", lambda weights: weights.update({"generator.conv_prё": torch.ones(1)})
    )
    assert "belongs to another model" in complaint(broken)


def test_a_parameter_of_the_wrong_shape_is_named(broken: Path) -> None:
    name = "encoder_proj.bias"
    changed(broken / "flow.pt", lambda weights: weights.update({name: torch.zeros(7)}))
    assert f"{name} has shape (7,), not (80,)" in complaint(broken)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_parameter_with_values_that_are_not_finite_is_named(broken: Path, value: float) -> None:
    changed(broken / "flow.pt", lambda weights: weights["encoder_proj.bias"].fill_(value))
    assert "encoder_proj.bias holds values that are no numbers" in complaint(broken)


def test_weights_of_another_model_are_refused_as_a_flow(broken: Path) -> None:
    torch.save({"layer.weight": torch.zeros(2, 2)}, broken / "flow.pt")
    assert "no flow model" in complaint(broken)
    torch.save({"layer.weight": torch.zeros(2, 2)}, broken / "hift.pt")


def test_weights_in_half_precision_are_loaded(broken: Path) -> None:
    def halve(weights: dict[str, torch.Tensor]) -> None:
        weights.update({name: tensor.half() for name, tensor in weights.items()})

    changed(broken / "flow.pt", halve)
    Token2Wav.load(broken, CPU)


def test_the_guidance_is_read_without_building_tagged_objects(tmp_path: Path) -> None:
    path = tmp_path / "flow.yaml"
    path.write_text(
        "flow: !new:anything.at.all\n"
        "    vocab_size: !ref <size>\n"
        "    decoder: !apply:os.system\n"
        "        inference_cfg_rate: 0.5\n"
        "        names: !name [a, b]\n",
        "utf-8",
    )
    assert read_guidance(path) == 0.5


def test_a_missing_guidance_is_the_published_one(tmp_path: Path) -> None:
    path = tmp_path / "flow.yaml"
    for text in ("", "flow: 3", "flow: {decoder: {}}", "[1, 2]"):
        path.write_text(text, "utf-8")
        assert read_guidance(path) == 0.7


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "flow: !!python/object/apply:os.system ['true']",
        "flow: {decoder: {inference_cfg_rate: many}}",
        "flow: {decoder: {inference_cfg_rate: .nan}}",
        "flow: {decoder: {inference_cfg_rate: -1}}",
        "\x00",
    ],
)
def test_invalid_or_unsafe_yaml_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "flow.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(EngineError, match=r"flow\.yaml"):
        read_guidance(path)


@pytest.mark.parametrize("name", ["campplus.onnx", "speech_tokenizer_v2_25hz.onnx"])
@pytest.mark.parametrize("content", [None, b"", b"garbage", "cut"])
def test_a_broken_onnx_model_is_named(broken: Path, name: str, content: Any) -> None:
    path = broken / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-200] if content == "cut" else content)
    with pytest.raises(EngineError) as caught:
        VoicePromptEncoder(broken)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_swapped_onnx_models_are_noticed(broken: Path) -> None:
    tokenizer = broken / "speech_tokenizer_v2_25hz.onnx"
    shutil.copy(broken / "campplus.onnx", tokenizer)
    with pytest.raises(EngineError, match="another model"):
        VoicePromptEncoder(broken)


@pytest.mark.parametrize(
    "wrong",
    [
        {"euler_steps": 0},
        {"chunk": 4},
        {"first_chunks": (1,)},
        {"history_s": -1.0},
        {"max_prompt_s": 0.1},
        {"precision": "int3"},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="token2wav"):
        Token2WavSettings(**wrong)


def test_an_unavailable_device_is_a_settings_error(folder: Path) -> None:
    with pytest.raises(SettingsError, match="no device"):
        Token2Wav.load(folder, Token2WavSettings(device="cuda:7"))
    with pytest.raises(SettingsError, match="no device"):
        Token2Wav.load(folder, Token2WavSettings(device="gramophone"))
