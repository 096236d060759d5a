"""`assistant serve` and `assistant keys`: what they refuse, and that they answer."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest


def run(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "assistant", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "200"}
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env=environment
    )


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--host", "0.0.0.0"], "no API keys"),
        (["--keys", "none.toml"], "none.toml: can't be read"),
        (["--keys", "bad.toml"], "bad.toml: not TOML"),
        (["--settings", "bad.toml"], "bad.toml: not TOML"),
        (["--port", "0", "--tools", "nowhere"], "nowhere"),
        (["--port", "0", "--engine", "embeded"], "did you mean 'embedded'"),
        (["--host", "no.such.host.invalid", "--insecure"], "can't listen on no.such.host.invalid"),
    ],
)
def test_a_startup_failure_is_one_line_and_exit_status_2(
    tmp_path: Path, arguments: list[str], word: str
) -> None:
    (tmp_path / "bad.toml").write_text("[[[")
    made = run("serve", *arguments, folder=tmp_path)
    assert made.returncode == 2, made.stderr
    assert word in made.stderr.splitlines()[-1]
    assert "Traceback" not in made.stderr


def test_a_port_in_use_is_one_line_and_exit_status_2(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        made = run("serve", "--port", taken.getsockname()[1], folder=tmp_path)
    assert made.returncode == 2
    (line,) = made.stderr.splitlines()
    assert "another program listens there; choose another --port" in line


def test_the_server_answers_with_a_key_and_stops_on_a_signal(tmp_path: Path) -> None:
    made = run("keys", "add", "the desk", "--scope", "tools", folder=tmp_path)
    key = made.stdout.strip()
    listed = json.loads(run("keys", "list", "--json", folder=tmp_path).stdout)
    assert [(one["name"], one["scopes"]) for one in listed] == [("the desk", ["tools"])]
    command = [sys.executable, "-m", "assistant", "serve", "--port", "0", "--keys", "keys.toml"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=environment
    ) as server:
        assert server.stderr is not None
        url = server.stderr.readline().split()[0]
        log = []
        for line in server.stderr:
            log.append(line)
            if "Application startup complete" in line:
                break
        assert "The engine is loaded" in "".join(log)
        headers = {"Authorization": f"Bearer {key}"}
        transport = httpx.HTTPTransport(retries=5)
        with httpx.Client(base_url=url, transport=transport, headers=headers) as client:
            assert "web_search" in client.get("/v1/tools").text
            assert run("keys", "remove", listed[0]["id"], folder=tmp_path).returncode == 0
            assert client.get("/v1/tools").status_code == 401
        server.send_signal(signal.SIGTERM)
        rest = server.stderr.read()
        assert server.wait(30) == 0
    assert key not in "".join(log) + rest


def test_a_key_with_an_unknown_scope_is_refused(tmp_path: Path) -> None:
    made = run("keys", "add", "x", "--scope", "chta", folder=tmp_path)
    assert made.returncode == 2
    assert "did you mean 'chat'" in made.stderr
    assert not (tmp_path / "keys.toml").exists()
