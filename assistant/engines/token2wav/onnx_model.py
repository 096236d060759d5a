"""One of the checkpoint's ONNX models: what goes wrong with it is told in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from assistant.errors import EngineError

_HINT = "download the checkpoint's token2wav folder again"
_ERRORS: tuple[type[Exception], ...] = (
    ort_errors.EPFail,
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)


class OnnxModel:
    """Thread-safe, as onnxruntime's sessions are."""

    def __init__(self, path: Path, *, inputs: int) -> None:
        """Raises EngineError: no such file, damaged, or with other than `inputs` inputs."""
        self.path = path
        if not path.is_file():
            raise EngineError(f"{path}: no such file", hint=_HINT)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # a damaged file becomes an EngineError
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except _ERRORS as error:
            raise EngineError(f"{path}: not a model that can be read", hint=_HINT) from error
        self._names = [entry.name for entry in self._session.get_inputs()]
        if len(self._names) != inputs:
            raise EngineError(f"{path}: another model; {inputs} inputs are expected", hint=_HINT)

    def run(self, *inputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The first output. Raises EngineError: the model failed, or its output is no numbers."""
        try:
            output = self._session.run(None, dict(zip(self._names, inputs, strict=True)))[0]
        except _ERRORS as error:
            raise EngineError(f"{self.path}: failed: {_line(error)}") from error
        if not np.isfinite(output).all():
            raise EngineError(f"{self.path}: gave values that are no numbers")
        return np.asarray(output)


def _line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
