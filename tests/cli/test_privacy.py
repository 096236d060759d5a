"""A server writes what docs/privacy.md names, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx

NAMED = {f"sessions.sqlite3{end}" for end in ("", ".lock", "-wal", "-shm")}
NO_NAMES = """
import socket, sys
def watch(event, arguments):
    if event == "socket.getaddrinfo" and arguments[0] not in ("127.0.0.1", None):
        print("LOOKED UP", arguments[0], file=sys.stderr, flush=True)
sys.addaudithook(watch)
"""


def test_a_server_with_an_empty_home_writes_only_what_is_documented_and_looks_up_no_name(
    tmp_path: Path,
) -> None:
    home, code = tmp_path / "home", tmp_path / "code"
    home.mkdir()
    code.mkdir()
    (code / "sitecustomize.py").write_text(NO_NAMES)
    path = os.pathsep.join((str(code), str(Path(__file__).parents[2])))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    environment = {**kept, "HOME": str(home), "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    command = [sys.executable, "-m", "assistant", "serve", "--port", "0"]
    with subprocess.Popen(
        command, cwd=home, stderr=subprocess.PIPE, text=True, env=environment
    ) as running:
        try:
            lines = _use(running)
        finally:
            running.send_signal(signal.SIGTERM)
            _, rest = running.communicate(timeout=60)
    assert "LOOKED UP" not in "".join(lines) + rest
    written = {file.relative_to(home) for file in home.rglob("*") if file.is_file()}
    assert {file.name for file in written} <= NAMED, written
    assert {str(file.parent) for file in written} == {".local/share/assistant"}


def _use(running: subprocess.Popen[str]) -> list[str]:
    """Asks the server for a chat, a stored turn and speech; returns its log until then."""
    assert running.stderr is not None
    lines = [running.stderr.readline()]
    url = lines[0].split()[0]
    for line in running.stderr:
        lines.append(line)
        if "Application startup complete" in line:
            break
    transport = httpx.HTTPTransport(retries=5)
    with httpx.Client(base_url=url, transport=transport, timeout=60) as client:
        chat = {"messages": [{"role": "user", "content": "What is the time?"}]}
        client.post("/v1/chat/completions", json=chat).raise_for_status()
        client.post("/v1/audio/speech", json={"input": "Hello."}).raise_for_status()
        session = client.post("/v1/sessions", json={}).json()["id"]
        turn = client.post(f"/v1/sessions/{session}/turns", json={"text": "Hello."})
        turn.raise_for_status()
    return lines
