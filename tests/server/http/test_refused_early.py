"""What is refused before a route sees it, and what every response says."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from assistant.server.auth.key_file import add_key
from assistant.testing import ScriptedEngine
from tests.support.serving import Serve, running

JSON = {"Content-Type": "application/json"}


def test_a_large_body_is_refused_where_no_key_is_needed_and_by_methods_without_one(
    serve: Serve,
) -> None:
    client = serve().client
    for method, path in (
        ("POST", "/twilio/voice"),
        ("POST", "/docs"),
        ("POST", "/static/main.js"),
        ("POST", "/health"),
        ("GET", "/health"),
        ("GET", "/v1/voices"),
        ("DELETE", "/v1/sessions/none"),
    ):
        answer = client.request(method, path, content=b"x" * 70_000, headers=JSON)
        assert answer.status_code == 413, (method, path, answer.text)
        assert "65536 bytes" in answer.text


def test_the_bodies_in_memory_are_limited_together(serve: Serve) -> None:
    server = serve(server={"limits": {"max_bodies_bytes": 70_000}})
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as held:
        head = "POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60001\r\n\r\n"
        held.sendall(head.encode() + b" " * 60_000)
        while True:  # until the server has read it
            answer = server.client.post("/v1/sessions", content=b" " * 20_000, headers=JSON)
            if answer.status_code == 503:
                break
        assert answer.headers["Retry-After"] == "5"
    while server.client.post("/v1/sessions", json={}).status_code == 503:
        pass


def test_a_body_that_is_not_utf_8_is_a_400(serve: Serve) -> None:
    client = serve().client
    text = json.dumps({"metadata": {"a": "\u2200"}}, ensure_ascii=False)
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"):
        answer = client.post("/v1/sessions", content=text.encode(encoding), headers=JSON)
        assert answer.status_code == 400, encoding
        assert "UTF-8" in answer.text
    assert client.post("/v1/sessions", content=text.encode(), headers=JSON).status_code == 201


def test_responses_are_not_stored_by_caches(serve: Serve) -> None:
    client = serve(ScriptedEngine(["Hi."])).client
    chat = {"messages": [{"role": "user", "content": "hi"}]}
    for answer in (
        client.get("/v1/sessions"),
        client.get("/v1/sessions/none"),
        client.post("/v1/chat/completions", json=chat),
        client.get("/metrics"),
    ):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert client.get("/static/main.js").headers["Cache-Control"] == "no-cache"


def test_pages_of_other_sites_and_rebound_names_are_refused_without_keys(serve: Serve) -> None:
    server = serve(server={"host": "0.0.0.0", "insecure": True, "allowed_hosts": ["voice.lan"]})
    for headers, status in (
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 403),
        ({"Host": "voice.lan", "Origin": "http://voice.lan"}, 200),
    ):
        answer = server.client.get("/v1/voices", headers=headers)
        assert answer.status_code == status, headers


@pytest.mark.parametrize("folder", ["/twilio", "/voice"])
def test_a_mounted_app_needs_keys_as_well(serve: Serve, tmp_path: Path, folder: str) -> None:
    token = add_key(tmp_path / "keys.toml")
    app = serve(server={"keys": tmp_path / "keys.toml"}).app
    with running(Starlette(routes=[Mount(folder, app)])) as outer:  # type: ignore[arg-type]
        assert outer.client.get(f"{folder}/v1/models").status_code == 401
        assert outer.client.get(f"{folder}/health").status_code == 200
        key = {"Authorization": f"Bearer {token}"}
        answer = outer.client.get(f"{folder}/v1/sessions/none", headers=key)
        assert answer.json()["error"]["message"]


def test_the_page_of_the_api_loads_nothing_from_elsewhere(serve: Serve) -> None:
    client = serve().client
    page = client.get("/docs")
    assert "//" not in page.text.replace("</", "")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["X-Frame-Options"] == "DENY"
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "start.js"):
        file = client.get(f"/docs/{name}")
        assert f'"docs/{name}"' in page.text
        assert file.status_code == 200
        assert file.headers["Content-Security-Policy"] == page.headers["Content-Security-Policy"]
    assert client.get("/docs/other.js").status_code == 404
    assert client.get("/redoc").status_code == 404
