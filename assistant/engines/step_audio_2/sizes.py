"""The sizes of a checkpoint, from its config.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from assistant.errors import EngineError


@dataclass(frozen=True, slots=True)
class TextSizes:
    """`text_config`: the language model, laid out as transformers' Qwen2."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    rms_norm_eps: float = 1e-6
    rope_theta: float = 1_000_000.0
    max_position_embeddings: int = 16_384

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_attention_heads


@dataclass(frozen=True, slots=True)
class AudioSizes:
    """`audio_encoder_config`: the encoder, laid out as Whisper's, and the adapter after it."""

    n_mels: int
    n_audio_ctx: int
    n_audio_state: int
    n_audio_head: int
    n_audio_layer: int
    llm_dim: int
    kernel_size: int = 3
    adapter_stride: int = 2


@dataclass(frozen=True, slots=True)
class ModelSizes:
    text: TextSizes
    audio: AudioSizes

    @classmethod
    def read(cls, path: Path) -> ModelSizes:
        """Reads the sizes. Raises EngineError if the file or a size is missing or invalid."""
        try:
            values = json.loads(path.read_text("utf-8"))
        except OSError as error:
            hint = "give the folder of a Step-Audio 2 checkpoint"
            raise EngineError(f"{path}: can't be read: {error.strerror}", hint=hint) from error
        except ValueError as error:
            raise EngineError(f"{path}: not JSON: {error}", hint="download it again") from error
        return cls.from_config(values, str(path))

    @classmethod
    def from_config(cls, values: Any, where: str = "config.json") -> ModelSizes:
        """`values`: what config.json holds; keys that are not needed here are passed over."""
        text, audio = (
            _table(values, "text_config", where),
            _table(values, "audio_encoder_config", where),
        )
        rope = text.get("rope_parameters")  # where transformers 5 writes it
        if isinstance(rope, Mapping) and "rope_theta" in rope:
            text = {**text, "rope_theta": rope["rope_theta"]}
        sizes = cls(
            _fill(TextSizes, text, f"{where}: text_config"),
            _fill(AudioSizes, audio, f"{where}: audio_encoder_config"),
        )
        for problem in _problems(sizes):
            raise EngineError(f"{where}: {problem}", hint="download the file again")
        return sizes


def _table(values: Any, key: str, where: str) -> Mapping[str, Any]:
    table = values.get(key) if isinstance(values, Mapping) else None
    if not isinstance(table, Mapping):
        hint = "this is not the config.json of a Step-Audio 2 checkpoint"
        raise EngineError(f"{where}: no table {key!r}", hint=hint)
    return table


_Sizes = TypeVar("_Sizes", TextSizes, AudioSizes)


def _fill(kind: type[_Sizes], table: Mapping[str, Any], where: str) -> _Sizes:
    given: dict[str, Any] = {}
    for field in fields(kind):
        value = table.get(field.name)
        if value is None and field.default is MISSING:
            raise EngineError(f"{where}: {field.name} is missing", hint="download the file again")
        if value is not None:
            given[field.name] = _number(
                value, whole=field.type == "int", name=field.name, where=where
            )
    return kind(**given)


def _number(value: Any, *, whole: bool, name: str, where: str) -> int | float:
    good = isinstance(value, int) if whole else isinstance(value, (int, float))
    if not good or isinstance(value, bool) or value <= 0:
        raise EngineError(f"{where}: {name} is {value!r}, not a positive number")
    return int(value) if whole else float(value)


def _problems(sizes: ModelSizes) -> list[str]:
    text, audio = sizes.text, sizes.audio
    checks = {
        "hidden_size is not a multiple of num_attention_heads": text.hidden_size
        % text.num_attention_heads,
        "num_attention_heads is not a multiple of num_key_value_heads": text.num_attention_heads
        % text.num_key_value_heads,
        "n_audio_state is not a multiple of n_audio_head": audio.n_audio_state % audio.n_audio_head,
        "llm_dim differs from hidden_size": audio.llm_dim != text.hidden_size,
    }
    return [problem for problem, wrong in checks.items() if wrong]
