"""Loads a checkpoint from a folder, or by its name on the Hugging Face Hub."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress
from safetensors import SafetensorError, safe_open
from torch import Tensor

from assistant.engines.step_audio_2.model import StepAudio2Model
from assistant.engines.step_audio_2.sizes import ModelSizes
from assistant.engines.step_audio_2.tokens import Tokenizer
from assistant.errors import EngineError, did_you_mean

_DOWNLOAD_AGAIN = "download the checkpoint again"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A loaded checkpoint, and the folder that it came from."""

    folder: Path
    model: StepAudio2Model
    tokenizer: Tokenizer


def load_checkpoint(
    source: str, *, device: torch.device, dtype: torch.dtype, window: int = 0
) -> Checkpoint:
    """`source`: a folder in the Hugging Face layout, or an id such as stepfun-ai/Step-Audio-2-mini.

    `window` 0 takes the checkpoint's own. Raises EngineError: nothing there, a file that is
    missing or damaged, a tokenizer or weights of another model, not enough memory.
    """
    folder = find_folder(source)
    sizes = ModelSizes.read(folder / "config.json")
    tokenizer = Tokenizer.from_folder(folder, vocab_size=sizes.text.vocab_size)
    window = min(window or sizes.text.max_position_embeddings, sizes.text.max_position_embeddings)
    plan = StepAudio2Model(sizes, device=torch.device("meta"), dtype=dtype, window=window)
    shards = find_shards(folder)
    check_shards(folder, shards, {name: place.shape for name, place in plan.checkpoint_views()})
    check_memory(sum(place.nbytes for _, place in plan.checkpoint_views()), device)
    try:
        model = StepAudio2Model(sizes, device=device, dtype=dtype, window=window)
        fill(model, folder, shards)
        model.pack()
    except torch.OutOfMemoryError as error:
        raise _no_room(device) from error
    return Checkpoint(folder, model, tokenizer)


def find_folder(source: str) -> Path:
    """The folder of a checkpoint; one on the Hub is downloaded, or found in its cache."""
    path = Path(source).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise EngineError(f"{source}: a file, not a folder", hint="give the checkpoint's folder")
    parts = source.split("/")
    if len(parts) == 2 and all(parts) and not source.startswith((".", "~")):
        return _download(source)
    hint = "give a folder that exists, or a Hub id such as stepfun-ai/Step-Audio-2-mini"
    raise EngineError(f"{source}: no such folder", hint=hint)


def _download(repository: str) -> Path:
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository))
    except (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        httpx.HTTPError,
        OSError,
    ) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        hint = "check the name and the network, or download it elsewhere and give the folder"
        raise EngineError(
            f"{repository}: no such folder, and not to be had from the Hub: {reason}", hint=hint
        ) from error


def find_shards(folder: Path) -> dict[str, str]:
    """Name of each tensor to the file that holds it, in the order of the files."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return _names_in(folder, "model.safetensors")
    try:
        shards: dict[str, str] = json.loads(index.read_text("utf-8"))["weight_map"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(f"{index}: damaged: {error}", hint=_DOWNLOAD_AGAIN) from error
    return dict(sorted(shards.items(), key=lambda item: item[1]))


def _names_in(folder: Path, file: str) -> dict[str, str]:
    with _opened(folder, file) as tensors:
        return dict.fromkeys(tensors.keys(), file)


def check_shards(
    folder: Path, shards: Mapping[str, str], expected: Mapping[str, torch.Size]
) -> None:
    """Every name is there once, none besides, each in its shape. Only headers are read."""
    _check_names(folder, shards, expected)
    for file, names in _by_file(shards):
        with _opened(folder, file) as tensors:
            held = set(tensors.keys())
            for name in names:
                if name not in held:
                    raise EngineError(f"{folder / file}: no {name}", hint=_DOWNLOAD_AGAIN)
                shape = torch.Size(tensors.get_slice(name).get_shape())
                if shape != expected[name]:
                    message = (
                        f"{folder / file}: {name} is {list(shape)}, not {list(expected[name])}"
                    )
                    raise EngineError(message, hint="config.json and weights don't belong together")


def _check_names(folder: Path, shards: Mapping[str, str], expected: Iterable[str]) -> None:
    wanted = set(expected)
    missing = sorted(wanted - shards.keys())
    extra = sorted(shards.keys() - wanted)
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise EngineError(f"{folder}: no weights for {missing[0]}{more}", hint=_DOWNLOAD_AGAIN)
    if extra:
        more = f" and {len(extra) - 1} more" if len(extra) > 1 else ""
        hint = did_you_mean(extra[0], wanted) or "config.json and weights don't belong together"
        raise EngineError(f"{folder}: unknown weights {extra[0]}{more}", hint=hint)


def check_memory(needed: int, device: torch.device) -> None:
    """Raises EngineError when `needed` bytes are clearly more than is free."""
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
    elif hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        free += _page_cache()
    else:
        return
    if needed > free:
        raise _no_room(device, f": {needed / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free")


def _page_cache() -> int:
    """Returns the bytes of file pages, which count as used but which Linux frees on demand."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return 0
    values = {line.split(":")[0]: line.split()[1] for line in lines if ":" in line}
    return int(values.get("Cached", 0)) * 1024


def _no_room(device: torch.device, detail: str = "") -> EngineError:
    hint = "use a device with more memory, dtype bfloat16, or a smaller checkpoint"
    return EngineError(f"not enough memory on {device} for the weights{detail}", hint=hint)


@torch.inference_mode()
def fill(model: StepAudio2Model, folder: Path, shards: Mapping[str, str]) -> None:
    """Copies every tensor from its file straight to its place on the device."""
    places = dict(model.checkpoint_views())
    total = sum(place.nbytes for place in places.values())
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("loading weights", total=total)
        for file, names in _by_file(shards):
            with _opened(folder, file) as tensors:
                for name in names:
                    _copy(places[name], tensors.get_tensor(name))
                    progress.advance(bar, places[name].nbytes)


def _copy(place: Tensor, values: Tensor) -> None:
    place.copy_(values)


def _by_file(shards: Mapping[str, str]) -> Iterable[tuple[str, list[str]]]:
    files: dict[str, list[str]] = {}
    for name, file in shards.items():
        files.setdefault(file, []).append(name)
    return files.items()


def _opened(folder: Path, file: str) -> safe_open:
    try:
        return safe_open(folder / file, framework="pt", device="cpu")
    except FileNotFoundError as error:
        raise EngineError(f"{folder / file}: no such file", hint=_DOWNLOAD_AGAIN) from error
    except (SafetensorError, OSError) as error:
        raise EngineError(f"{folder / file}: damaged: {error}", hint=_DOWNLOAD_AGAIN) from error
