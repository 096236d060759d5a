"""The commands and the program of docs/server.md run as they stand there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from assistant.testing import ScriptedEngine
from tests.support.serving import Serve

DOCS = (Path(__file__).parents[2] / "docs" / "server.md").read_text("utf-8")
ROOT = "http://127.0.0.1:8000"


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)
    assert found
    return found[1]


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_every_curl_command_gets_an_answer(serve: Serve, tmp_path: Path) -> None:
    server = serve(ScriptedEngine(["Good morning."]))
    script = (
        block("sh").replace(ROOT, f"http://127.0.0.1:{server.port}").replace("curl ", "curl -sSf ")
    )
    run = subprocess.run(
        ["sh", "-ec", script], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert '"content":"Good morning."' in run.stdout
    for name in ("speech.wav", "answer.wav"):
        assert soundfile.info(tmp_path / name).samplerate == 24_000


def test_the_program_with_the_openai_package_prints_the_answer(serve: Serve) -> None:
    server = serve(ScriptedEngine(["It is noon."]))
    program = block("python").replace(ROOT, f"http://127.0.0.1:{server.port}")
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert (run.stdout, run.stderr) == ("It is noon.\n", "")
