"""A server that is short of memory refuses what would need more of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.server.http.errors import ApiError
from assistant.server.memory import MemoryGuard, free_memory
from tests.support.serving import Serve

SHORT = {"limits": {"min_free_bytes": 2**60}}


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/chat/completions"), ("POST", "/v1/sessions"), ("POST", "/generate")],
)
def test_a_request_with_a_body_is_a_503_while_memory_is_short(
    serve: Serve, method: str, path: str
) -> None:
    answer = serve(server=SHORT).client.request(method, path, content=b"{")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert "short of memory" in answer.text


def test_probes_and_metrics_are_answered_while_memory_is_short(serve: Serve) -> None:
    client = serve(server=SHORT).client
    assert client.get("/health").status_code == 200
    assert client.post("/v1/sessions").status_code == 503
    metrics = client.get("/metrics").text
    assert "\nassistant_memory_refusals 1.0" in metrics


def test_a_limit_of_0_refuses_nothing(serve: Serve) -> None:
    server = serve(server={"limits": {"min_free_bytes": 0}})
    assert server.client.post("/v1/sessions", json={}).status_code == 201


def test_the_free_memory_of_this_machine_is_known() -> None:
    free = free_memory()
    assert free is not None
    assert free > 2**20


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, None),
        ({"proc/meminfo": "MemTotal: 9 kB\nMemAvailable: 4 kB\n"}, 4_096),
        (
            {  # version 2, the limit is that of the group around
                "proc/meminfo": "MemAvailable: 900 kB\n",
                "proc/self/cgroup": "0::/outer/inner\n",
                "sys/fs/cgroup/outer/inner/memory.max": "max\n",
                "sys/fs/cgroup/outer/inner/memory.current": "100\n",
                "sys/fs/cgroup/outer/memory.max": "1000\n",
                "sys/fs/cgroup/outer/memory.current": "700\n",
                "sys/fs/cgroup/outer/memory.stat": "anon 600\ninactive_file 50\n",
            },
            350,
        ),
        (
            {  # version 1
                "proc/meminfo": "MemAvailable: 900 kB\n",
                "proc/self/cgroup": "5:cpu:/\n4:memory:/job\n0::/\n",
                "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "2000\n",
                "sys/fs/cgroup/memory/job/memory.usage_in_bytes": "2100\n",
                "sys/fs/cgroup/memory/job/memory.stat": "total_inactive_file 150\n",
            },
            50,
        ),
    ],
)
def test_the_tightest_limit_counts(tmp_path: Path, files: dict[str, str], free: int | None) -> None:
    write(tmp_path, files)
    assert free_memory(tmp_path) == free


def test_the_guard_reads_at_most_every_quarter_of_a_second() -> None:
    readings, clock = [50, 200], [0.0]
    guard = MemoryGuard(100, read=lambda: readings.pop(0), now=lambda: clock[0])
    for _ in range(2):
        with pytest.raises(ApiError, match="short of memory"):
            guard.check()
    clock[0] = 0.3
    guard.check()
    assert readings == []
    assert guard.refused == 2
