"""Loads the engine that the settings describe."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from assistant.config import StepAudio2Settings
from assistant.engines.nn.device import resolve_device
from assistant.engines.step_audio_2.checkpoint import load_checkpoint
from assistant.engines.step_audio_2.engine import StepAudio2Engine, Variant
from assistant.engines.step_audio_2.kv_cache import KeyValueCache
from assistant.engines.step_audio_2.model import StepAudio2Model
from assistant.engines.step_audio_2.output_stream import Vocoder
from assistant.engines.step_audio_2.sequence import SampleBatch, sample_batch
from assistant.engines.step_audio_2.token2wav_vocoder import load_vocoder
from assistant.errors import EngineError


def load_engine(
    settings: StepAudio2Settings,
    *,
    prompts: Path | None = None,
    vocoder: Vocoder | None = None,
    sample: SampleBatch = sample_batch,
) -> StepAudio2Engine:
    """Returns the engine; with `prompts`, the folder for prepared voices, it speaks through
    token2wav.

    Raises EngineError if the device does not exist; see also load_checkpoint and load_vocoder.
    """
    device = resolve_device(settings.device)
    checkpoint = load_checkpoint(
        settings.model, device=device, dtype=_dtype(settings.dtype, device), window=settings.window
    )
    if vocoder is None and prompts is not None:
        vocoder = load_vocoder(checkpoint.folder, settings, prompts)
    variant = _variant(settings, checkpoint.folder)
    _check_cache(settings, checkpoint.model)
    return StepAudio2Engine(checkpoint, settings, variant=variant, vocoder=vocoder, sample=sample)


def _check_cache(settings: StepAudio2Settings, model: StepAudio2Model) -> None:
    """Raises EngineError if a GPU has too little memory for the KV cache, which it allocates at
    once.
    """
    slot = KeyValueCache.bytes_per_slot(model.sizes.text, model.window, model.dtype)
    needed = slot * (settings.conversations + 1)
    if model.device.type == "cuda" and needed > torch.cuda.mem_get_info(model.device)[0]:
        message = f"no room on {model.device} for {settings.conversations} warm conversations"
        hint = f"each takes {slot / 1e9:.2f} GB: lower step_audio_2.conversations or window"
        raise EngineError(message, hint=hint)


def _dtype(name: str, device: torch.device) -> torch.dtype:
    if name == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return torch.float32 if name == "float32" else torch.bfloat16


def _variant(settings: StepAudio2Settings, folder: Path) -> Variant:
    """Returns the variant by the checkpoint's name: the layout of all three is the same."""
    if settings.variant != "auto":
        return settings.variant
    config = json.loads((folder / "config.json").read_text("utf-8"))
    names = (settings.model, folder.resolve().name, str(config.get("_name_or_path", "")))
    for name in names:
        last_word = name.rstrip("/").lower().rsplit("-", 1)[-1]
        if last_word in ("think", "base"):
            return "think" if last_word == "think" else "base"
    return "chat"
