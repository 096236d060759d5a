"""A complete, tiny Step-Audio 2 checkpoint with random weights, for tests.

Every path of the engine runs on it on a CPU in seconds. Its output is nonsense.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_TEXT = {
    "vocab_size": 7040,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1_000_000.0,
    "max_position_embeddings": 16_384,
}
_AUDIO = {
    "n_mels": 128,
    "n_audio_ctx": 1500,
    "n_audio_state": 32,
    "n_audio_head": 2,
    "n_audio_layer": 1,
    "llm_dim": 32,
    "kernel_size": 3,
    "adapter_stride": 2,
}
_MARKS = ("<|endoftext|>", "<|BOT|>", "<|EOT|>")
_PLAIN_MARKS = ("<tool_call>", "</tool_call>")  # added, but not special, as in Qwen's tokenizers
_AUDIO_MARKS = ("<audio_start>", "<audio_end>", "<audio_patch>", "<tts_pad>")
_SPEECH_MARKS = ("<tts_start>", "<tts_end>")
_PIECES = (
    "the quick brown fox jumps over the lazy dog, and what is the weather like in this city? "
    "function human assistant system input tool_json_schemas location query name arguments think "
    "你好，今天的天气怎么样？请用语音与我交流。"
)


def tiny_checkpoint(
    folder: Path, *, seed: int = 0, think: bool = False, base: bool = False, speech: bool = True
) -> Path:
    """Writes the checkpoint into `folder`, which is created, and returns it.

    The layout is that of stepfun-ai/Step-Audio-2-mini; `think` and `base` select the variant that
    thinks first and the one that only continues. `speech`: with a token2wav folder, which needs the
    package onnx. The same seed writes the same files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    suffix = "-Think" if think else "-Base" if base else ""
    _write_json(
        folder / "config.json",
        {
            "_name_or_path": f"stepfun-ai/Step-Audio-2-mini{suffix}",
            "architectures": ["StepAudio2ForCausalLM"],
            "model_type": "step_audio_2",
            "torch_dtype": "float32",
            "text_config": _TEXT,
            "audio_encoder_config": _AUDIO,
        },
    )
    _write_tokenizer(folder)
    _write_weights(folder, seed)
    _write_voices(folder / "assets")
    if speech:
        from assistant.testing.checkpoint_token2wav import tiny_token2wav

        tiny_token2wav(folder / "token2wav", seed=seed)
    return folder


def _write_json(path: Path, values: Any) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False), "utf-8")


def _write_tokenizer(folder: Path) -> None:
    """Byte-level BPE with a few merges, then every token that the engine needs."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([_PIECES] * 2, trainer)
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in _MARKS])
    tokenizer.add_tokens([AddedToken(mark, special=False) for mark in _PLAIN_MARKS])
    speech = [f"<audio_{number}>" for number in range(6562)]
    marks = [*_AUDIO_MARKS, *_SPEECH_MARKS, *speech]
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in marks])
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "Qwen2TokenizerFast", "eos_token": "<|endoftext|>"},
    )


def _write_weights(folder: Path, seed: int) -> None:
    """Two shards and their index, with the names and shapes that the loader expects."""
    import torch
    from safetensors.torch import save_file

    from assistant.engines.step_audio_2.model import StepAudio2Model
    from assistant.engines.step_audio_2.sizes import ModelSizes

    sizes = ModelSizes.from_config({"text_config": _TEXT, "audio_encoder_config": _AUDIO})
    plan = StepAudio2Model(sizes, device=torch.device("meta"), dtype=torch.float32)
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, place in plan.checkpoint_views():
        values = torch.randn(place.shape, generator=generator)
        if place.ndim == 1:
            tensors[name] = 0.02 * values + (1.0 if "norm" in name or "ln" in name else 0.0)
        else:
            fan_in = 1 if "embed" in name else place[0].numel()
            tensors[name] = values / fan_in**0.5
    names = list(tensors)
    shards = {"model-00001-of-00002.safetensors": names[::2]}
    shards["model-00002-of-00002.safetensors"] = names[1::2]
    for file, held in shards.items():
        save_file({name: tensors[name] for name in held}, folder / file, {"format": "pt"})
    size = sum(tensor.nbytes for tensor in tensors.values())
    weight_map = {name: file for file, held in shards.items() for name in held}
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    _write_json(folder / "model.safetensors.index.json", index)


def _write_voices(folder: Path) -> None:
    """The two prompt voices of a checkpoint, here a buzz of many harmonics with a slow beat."""
    import numpy as np

    from assistant.audio.encode import write_wav
    from assistant.audio.samples import OUTPUT_RATE, Audio

    folder.mkdir(exist_ok=True)
    time = np.arange(3 * OUTPUT_RATE) / OUTPUT_RATE
    beat = 0.3 + 0.2 * np.sin(2 * np.pi * 4 * time)
    for name, pitch in (("default_female", 210.0), ("default_male", 110.0)):
        partials = [np.sin(2 * np.pi * pitch * n * time) / n for n in range(1, 20)]
        samples = (beat * np.sum(partials, axis=0) / 2).astype(np.float32)
        write_wav(folder / f"{name}.wav", [Audio(samples, OUTPUT_RATE).to_pcm16()])
