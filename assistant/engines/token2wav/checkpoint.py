"""Reads flow.pt, hift.pt and flow.yaml: nothing in them is executed, and every name must fit."""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

from assistant.engines.token2wav.flow.model import Flow
from assistant.engines.token2wav.flow.shape import FlowShape
from assistant.engines.token2wav.hift.generator import Hift, HiftShape
from assistant.engines.token2wav.settings import Token2WavSettings
from assistant.errors import EngineError, did_you_mean

_HINT = "download the checkpoint's token2wav folder again"
_GUIDANCE = 0.7
_HIFT_PREFIX = "generator."


def load_flow(folder: Path, settings: Token2WavSettings, device: torch.device) -> Flow:
    """The flow, ready to run. Raises EngineError."""
    path = folder / "flow.pt"
    guidance = read_guidance(folder / "flow.yaml")
    weights = read_weights(path)
    try:
        shape = FlowShape.of({name: tensor.shape for name, tensor in weights.items()})
    except (KeyError, IndexError) as error:
        raise EngineError(f"{path}: no flow model: {error} is absent", hint=_HINT) from error
    with torch.device("meta"):  # no random initialization: the weights overwrite it at once
        flow = Flow(shape)
    _fill(flow, weights, path)
    flow.to(device)
    flow.pack(steps=settings.euler_steps, guidance=guidance, dtype=settings.dtype(device))
    return flow


def load_hift(folder: Path, device: torch.device) -> Hift:
    """The vocoder, ready to run. Raises EngineError."""
    path = folder / "hift.pt"
    weights = {n.removeprefix(_HIFT_PREFIX): t for n, t in read_weights(path).items()}
    try:
        shape = HiftShape.of({name: tensor.shape for name, tensor in weights.items()})
    except (KeyError, IndexError, ValueError) as error:
        raise EngineError(f"{path}: no vocoder: {error} is absent", hint=_HINT) from error
    hift = Hift(shape)
    _fill(hift, weights, path)
    hift.to(device)
    hift.pack()
    return hift


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a .pt file, as float32. Raises EngineError."""
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise EngineError(f"{path}: no such file", hint=_HINT) from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise EngineError(f"{path}: not weights that can be read", hint=_HINT) from error
    if not isinstance(loaded, Mapping) or not loaded:
        raise EngineError(f"{path}: holds no weights by name", hint=_HINT)
    for name, tensor in loaded.items():
        if not isinstance(tensor, Tensor):
            raise EngineError(f"{path}: {name} is no tensor", hint=_HINT)
        if not torch.isfinite(tensor).all():
            raise EngineError(f"{path}: {name} holds values that are no numbers", hint=_HINT)
    return {str(name): tensor.float() for name, tensor in loaded.items()}


def _fill(model: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Loads the weights. Every name must exist, no other, and every shape must fit."""
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    for name in wanted.keys() - weights.keys():
        raise EngineError(f"{path}: {name} is absent", hint=_HINT)
    for name in weights.keys() - wanted.keys():
        near = did_you_mean(name, wanted)
        raise EngineError(f"{path}: {name} belongs to another model", hint=near or _HINT)
    for name, shape in wanted.items():
        if tuple(weights[name].shape) != shape:
            found = tuple(weights[name].shape)
            raise EngineError(f"{path}: {name} has shape {found}, not {shape}", hint=_HINT)
    model.load_state_dict(dict(weights), strict=True, assign=True)


class _Inert(yaml.SafeLoader):
    """Tags of the checkpoint's YAML name classes to build; here they are read past."""


def _plain(loader: _Inert, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return node.value


_Inert.add_multi_constructor("!", _plain)


def read_guidance(path: Path) -> float:
    """Returns the strength of the classifier-free guidance, which the weights don't tell.

    Raises EngineError if there is no such file, it is not YAML, or the value is not a number.
    """
    try:
        # SafeLoader's own constructors, and ours, which only make dicts, lists and strings.
        config = yaml.load(path.read_text("utf-8"), Loader=_Inert)
    except FileNotFoundError as error:
        raise EngineError(f"{path}: no such file", hint=_HINT) from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise EngineError(f"{path}: not YAML that can be read", hint=_HINT) from error
    value: Any = config
    for key in ("flow", "decoder", "inference_cfg_rate"):
        value = value.get(key, {}) if isinstance(value, dict) else {}
    if value == {}:
        return _GUIDANCE
    if not isinstance(value, (int, float)) or not math.isfinite(value) or not 0 <= value <= 10:
        raise EngineError(f"{path}: inference_cfg_rate is {value!r}, not a number from 0 to 10")
    return float(value)
