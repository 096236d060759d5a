"""Turns off the telemetry of libraries that this package uses; imported by the package itself.

onnxruntime writes a device id and a database below ~/.cache/Microsoft and looks up a host of its
maker, unless ORT_DISABLE_TELEMETRY is set before it is imported. Somebody who has set the variable
keeps that value.
"""

from __future__ import annotations

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
