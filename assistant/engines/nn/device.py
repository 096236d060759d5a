"""The device that models run on, from its name in the settings."""

from __future__ import annotations

import torch

from assistant.errors import EngineError


def resolve_device(name: str) -> torch.device:
    """Returns the device; `auto` is the first GPU, or the CPU without one.

    Raises EngineError if this machine has no such device, or it is neither a CPU nor a CUDA GPU.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        hint = "use auto, cpu, cuda or cuda:0"
        raise EngineError(f"no device is called {name!r}", hint=hint) from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        hint = "use device cpu, or install torch for your GPU"
        raise EngineError(f"{name}: there is no such GPU", hint=hint)
    if device.type not in ("cuda", "cpu"):
        raise EngineError(f"{name}: this engine runs on cuda and cpu", hint="use auto")
    return device
