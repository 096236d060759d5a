"""Each scope opens the endpoints of the table in docs/operation.md, and no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assistant.server.auth.key_file import add_key
from assistant.server.auth.keys import SCOPES, Scope
from assistant.testing import ScriptedEngine
from tests.support.serving import Serve, wav

MESSAGES = {"messages": [{"role": "user", "content": "hi"}]}
ENDPOINTS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("chat", "POST", "/v1/chat/completions", {"json": MESSAGES}),
    ("chat", "GET", "/v1/models", {}),
    ("chat", "GET", "/v1/models/{model}", {}),
    ("chat", "POST", "/generate", {"data": {"text": "hi"}, "files": {"audio": wav(0.1)}}),
    ("audio", "POST", "/generate", {"json": {"text": "hi"}}),
    ("audio", "POST", "/generate/stream/start", {}),
    ("audio", "GET", "/generate/stream/{request_id}/audio", {}),
    ("audio", "POST", "/generate/stream/{request_id}/text", {"data": {"text": "hi"}}),
    ("audio", "POST", "/generate/stream/{request_id}/end", {}),
    ("audio", "POST", "/v1/audio/speech", {"json": {"input": "hi"}}),
    ("audio", "POST", "/v1/audio/transcriptions", {"files": {"file": wav(0.1)}}),
    ("audio", "POST", "/v1/audio/translations", {"files": {"file": wav(0.1)}}),
    ("realtime", "POST", "/v1/realtime/client_secrets", {"json": {}}),
    ("sessions", "POST", "/v1/sessions", {"json": {}}),
    ("sessions", "GET", "/v1/sessions", {}),
    ("sessions", "GET", "/v1/sessions/{session_id}", {}),
    ("sessions", "DELETE", "/v1/sessions/{session_id}", {}),
    ("sessions", "POST", "/v1/sessions/{session_id}/turns", {"json": {"text": "hi"}}),
    ("sessions", "POST", "/v1/sessions/{session_id}/cancel", {}),
    ("sessions", "GET", "/v1/sessions/{session_id}/history", {}),
    ("voices", "GET", "/v1/voices", {}),
    ("voices", "POST", "/v1/voices/search", {"json": {"query": "calm"}}),
    ("voices:write", "POST", "/v1/voices", {"files": {"audio": wav(0.1)}}),
    ("voices:write", "DELETE", "/v1/voices/{voice_id}", {}),
    ("tools", "GET", "/v1/tools", {}),
    ("metrics", "GET", "/metrics", {}),
]


@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_opens_its_endpoints_and_no_others(
    serve: Serve, tmp_path: Path, scope: Scope
) -> None:
    token = add_key(tmp_path / "keys.toml", scopes=[scope])
    server = serve(ScriptedEngine(["Yes."] * 9), server={"keys": str(tmp_path / "keys.toml")})
    headers = {"Authorization": f"Bearer {token}"}
    for opened_by, method, path, body in ENDPOINTS:
        answer = server.client.request(method, path, headers=headers, **body)
        wrong = f"{scope} at {method} {path}: {answer.status_code} {answer.text[:200]}"
        assert (answer.status_code == 403) == (opened_by != scope), wrong


def test_every_endpoint_that_needs_a_key_is_in_the_table(serve: Serve) -> None:
    paths = serve().client.get("/openapi.json").json()["paths"]
    endpoints = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    open_to_all = {("GET", "/health"), ("GET", "/ready"), ("POST", "/twilio/voice")}
    assert endpoints - open_to_all == {(method, path) for _, method, path, _ in ENDPOINTS}
