"""Complete checkpoints are loaded; broken ones are errors that name the problem."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from safetensors.torch import load_file, save_file

from assistant.config import StepAudio2Settings
from assistant.engines.step_audio_2.checkpoint import (
    check_memory,
    fill,
    find_shards,
    load_checkpoint,
)
from assistant.engines.step_audio_2.loading import load_engine
from assistant.engines.step_audio_2.model import StepAudio2Model
from assistant.engines.step_audio_2.sizes import AudioSizes, ModelSizes, TextSizes
from assistant.errors import EngineError
from assistant.testing.checkpoint import tiny_checkpoint
from tests.engines.step_audio_2.tiny_engine import Chat

CPU = torch.device("cpu")
MINI = ModelSizes(
    TextSizes(158720, 3584, 18944, 28, 28, 4),
    AudioSizes(128, 1500, 1280, 20, 32, 3584),
)
"""Step-Audio 2 mini."""


def published_shapes() -> dict[str, tuple[int, ...]]:
    """Every parameter of Step-Audio 2 mini, written out."""
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (158720, 3584),
        "model.norm.weight": (3584,),
        "lm_head.weight": (158720, 3584),
        "encoder.conv1.weight": (1280, 128, 3),
        "encoder.conv1.bias": (1280,),
        "encoder.conv2.weight": (1280, 1280, 3),
        "encoder.conv2.bias": (1280,),
        "encoder.positional_embedding.weight": (1500, 1280),
        "encoder.after_norm.weight": (1280,),
        "encoder.after_norm.bias": (1280,),
        "adapter.conv.weight": (1280, 1280, 3),
        "adapter.conv.bias": (1280,),
        "adapter.linear1.weight": (2048, 1280),
        "adapter.linear1.bias": (2048,),
        "adapter.linear2.weight": (3584, 2048),
        "adapter.linear2.bias": (3584,),
    }
    text: dict[str, tuple[int, ...]] = {
        "self_attn.q_proj.weight": (3584, 3584),
        "self_attn.q_proj.bias": (3584,),
        "self_attn.k_proj.weight": (512, 3584),
        "self_attn.k_proj.bias": (512,),
        "self_attn.v_proj.weight": (512, 3584),
        "self_attn.v_proj.bias": (512,),
        "self_attn.o_proj.weight": (3584, 3584),
        "mlp.gate_proj.weight": (18944, 3584),
        "mlp.up_proj.weight": (18944, 3584),
        "mlp.down_proj.weight": (3584, 18944),
        "input_layernorm.weight": (3584,),
        "post_attention_layernorm.weight": (3584,),
    }
    audio: dict[str, tuple[int, ...]] = {
        "attn.query.weight": (1280, 1280),
        "attn.query.bias": (1280,),
        "attn.key.weight": (1280, 1280),
        "attn.value.weight": (1280, 1280),
        "attn.value.bias": (1280,),
        "attn.out.weight": (1280, 1280),
        "attn.out.bias": (1280,),
        "attn_ln.weight": (1280,),
        "attn_ln.bias": (1280,),
        "mlp.0.weight": (5120, 1280),
        "mlp.0.bias": (5120,),
        "mlp.2.weight": (1280, 5120),
        "mlp.2.bias": (1280,),
        "mlp_ln.weight": (1280,),
        "mlp_ln.bias": (1280,),
    }
    for layer in range(28):
        shapes |= {f"model.layers.{layer}.{name}": shape for name, shape in text.items()}
    for block in range(32):
        shapes |= {f"encoder.blocks.{block}.{name}": shape for name, shape in audio.items()}
    return shapes


def load(folder: Path, **given: Any) -> Any:
    options = {"device": CPU, "dtype": torch.float32, **given}
    return load_checkpoint(str(folder), **options)


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(folder, tmp_path / "copy")


def test_the_loader_expects_the_published_names_and_shapes() -> None:
    model = StepAudio2Model(MINI, device=torch.device("meta"), dtype=torch.bfloat16)
    expected = {name: tuple(place.shape) for name, place in model.checkpoint_views()}
    assert expected == published_shapes()


def test_each_weight_is_loaded_into_its_parameter(folder: Path) -> None:
    stored = {}
    for file in folder.glob("*.safetensors"):
        stored |= load_file(file)
    model = StepAudio2Model(
        ModelSizes.read(folder / "config.json"), device=CPU, dtype=torch.float32
    )
    fill(model, folder, find_shards(folder))
    loaded = dict(model.checkpoint_views())
    assert loaded.keys() == stored.keys()
    assert all(torch.equal(loaded[name], stored[name]) for name in stored)


def test_one_file_without_an_index_is_enough(copy: Path) -> None:
    tensors = {}
    for file in sorted(copy.glob("*.safetensors")):
        tensors |= load_file(file)
        file.unlink()
    (copy / "model.safetensors.index.json").unlink()
    save_file(tensors, copy / "model.safetensors")
    assert load(copy).folder == copy


def test_the_same_seed_gives_the_same_checkpoint(folder: Path, tmp_path: Path) -> None:
    again, other = tiny_checkpoint(tmp_path / "again"), tiny_checkpoint(tmp_path / "other", seed=1)
    shard = "model-00001-of-00002.safetensors"
    assert (again / shard).read_bytes() == (folder / shard).read_bytes()
    assert (other / shard).read_bytes() != (folder / shard).read_bytes()
    assert (again / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()


@pytest.mark.anyio
async def test_a_bfloat16_model_answers_on_a_cpu(make_engine: Any, noise: Any) -> None:
    outputs = await Chat(make_engine(dtype="bfloat16")).say("Hi", noise())
    assert len(outputs[-1].tokens) > 0


SHARD = "model-00001-of-00002.safetensors"
INDEX = "model.safetensors.index.json"


def _edit_config(folder: Path, change: Callable[[Any], Any]) -> None:
    values = json.loads((folder / "config.json").read_text("utf-8"))
    change(values)
    (folder / "config.json").write_text(json.dumps(values), "utf-8")


def _edit_index(folder: Path, change: Callable[[Any], Any]) -> None:
    values = json.loads((folder / INDEX).read_text("utf-8"))
    change(values["weight_map"])
    (folder / INDEX).write_text(json.dumps(values), "utf-8")


BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no config": (lambda f: (f / "config.json").unlink(), r"config\.json: can't be read"),
    "config is no JSON": (lambda f: (f / "config.json").write_text("{"), "not JSON"),
    "config of something else": (
        lambda f: (f / "config.json").write_text("[]"), "no table 'text_config'",
    ),
    "a size is missing": (
        lambda f: _edit_config(f, lambda v: v["text_config"].pop("hidden_size")),
        "text_config: hidden_size is missing",
    ),
    "a size is no number": (
        lambda f: _edit_config(f, lambda v: v["text_config"].update(hidden_size="big")),
        "hidden_size is 'big', not a positive number",
    ),
    "sizes contradict": (
        lambda f: _edit_config(f, lambda v: v["text_config"].update(num_attention_heads=5)),
        "not a multiple",
    ),
    "weights of another size": (
        lambda f: _edit_config(f, lambda v: v["text_config"].update(intermediate_size=96)),
        r"is \[64, 32\], not \[96, 32\]|is \[32, 64\], not \[32, 96\]",
    ),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "no tokenizer.json"),
    "a shard is missing": (lambda f: (f / SHARD).unlink(), f"{SHARD}: no such file"),
    "a shard is cut off": (
        lambda f: (f / SHARD).write_bytes((f / SHARD).read_bytes()[:5000]), f"{SHARD}: damaged",
    ),
    "the index is damaged": (lambda f: (f / INDEX).write_text("{}"), "damaged"),
    "a name is missing": (
        lambda f: _edit_index(f, lambda m: m.pop("lm_head.weight")),
        "no weights for lm_head.weight",
    ),
    "a name is unknown": (
        lambda f: _edit_index(f, lambda m: m.update({"lm_haed.weight": SHARD})),
        "unknown weights lm_haed.weight.*did you mean 'lm_head.weight'",
    ),
    "the index names the wrong shard": (
        lambda f: _edit_index(f, lambda m: m.update({"model.norm.weight": SHARD})),
        r"no model\.norm\.weight",
    ),
    "no weights at all": (
        lambda f: [path.unlink() for path in f.glob("model*")], r"model\.safetensors: no such file",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_checkpoint_is_an_error_that_names_what_is_wrong(copy: Path, what: str) -> None:
    damage, message = BROKEN[what]
    damage(copy)
    with pytest.raises(EngineError, match=message) as caught:
        load(copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("/no/such/folder/here", "no such folder"),
        ("word", "no such folder"),
        ("./a/b", "no such folder"),
    ],
)
def test_a_missing_folder_is_an_error_that_says_so(source: str, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        load(Path(source))


def test_a_file_in_place_of_the_folder_is_an_error(folder: Path) -> None:
    with pytest.raises(EngineError, match="a file, not a folder"):
        load(folder / "config.json")


def test_an_unavailable_hub_id_is_an_error_of_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(EngineError, match="not to be had from the Hub") as caught:
        load(Path("stepfun-ai/Step-Audio-2-mini"))
    assert "\n" not in str(caught.value)
    assert "give the folder" in str(caught.value)


def test_too_little_memory_is_an_error_before_anything_is_loaded() -> None:
    with pytest.raises(EngineError, match=r"not enough memory on cpu.*GB needed"):
        check_memory(1 << 60, CPU)


@pytest.mark.parametrize(
    ("device", "message"),
    [("gpu", "no device is called"), ("meta", "runs on cuda and cpu"), ("cuda:77", "no such GPU")],
)
def test_an_unavailable_device_is_an_error(folder: Path, device: str, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        load_engine(StepAudio2Settings(model=str(folder), device=device))


@pytest.mark.parametrize(
    ("options", "variant"), [({}, "chat"), ({"think": True}, "think"), ({"base": True}, "base")]
)
def test_the_variant_is_recognized_by_its_name(tmp_path: Path, options: Any, variant: str) -> None:
    folder = tiny_checkpoint(tmp_path / "x", **options)
    assert load_engine(StepAudio2Settings(model=str(folder)))._variant == variant
    other = load_engine(StepAudio2Settings(model=str(folder), variant="chat"))
    assert other._variant == "chat"
