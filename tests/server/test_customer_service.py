"""examples/customer_service.py, run as it stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from assistant.testing import ScriptedEngine
from tests.support.serving import Serve

EXAMPLE = Path(__file__).parents[2] / "examples" / "customer_service.py"


def converse(url: str, lines: str) -> str:
    run = subprocess.run(
        [sys.executable, str(EXAMPLE), "--url", url],
        input=lines,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_each_customer_has_a_conversation_and_is_handed_over_on_request(serve: Serve) -> None:
    def step(request: object) -> list[str]:
        said = [message.text for message in request.messages[1:]]  # type: ignore[attr-defined]
        return [f"You said {said[-1]} ({len(said)})."]

    server = serve(ScriptedEngine(step))
    url = str(server.client.base_url)
    first = converse(url, "ann: my bell is broken\nbob: hello\nann: it is red\n")
    assert first.splitlines() == [
        "ann < You said my bell is broken (1).",
        "bob < You said hello (1).",
        "ann < You said it is red (3).",
    ]
    # The program was started again, the conversation goes on; then a human takes over.
    second = converse(url, "ann: still there?\nann: a human please\nann: hello?\nbob: and I?\n")
    assert second.splitlines()[:2] == [
        "ann < You said still there? (5).",
        "ann < One moment, a colleague takes over.",
    ]
    assert "    user: my bell is broken" in second
    assert second.splitlines()[-2:] == [
        "ann < (a colleague reads this)",
        "bob < You said and I? (3).",
    ]
