"""Client secrets, which a browser gets instead of a key."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import openai
import pytest
from websockets.exceptions import InvalidStatus

from assistant.server.auth.client_secrets import MAX_PER_OWNER, ClientSecrets
from assistant.server.auth.key_file import add_key, remove_key
from assistant.server.http.errors import ApiError
from assistant.server.realtime.server_events import new_id
from assistant.testing import ScriptedEngine
from tests.server.realtime.realtime_client import calling
from tests.support.serving import Serve


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.toml"


def test_openais_client_gets_a_secret_that_opens_the_session_it_described(
    serve: Serve, file: Path
) -> None:
    key = add_key(file, tools=["weather"])
    engine = ScriptedEngine(["Yes."])
    server = serve(engine, server={"keys": file})
    with openai.OpenAI(
        base_url=f"http://127.0.0.1:{server.port}/v1", api_key=key, max_retries=0
    ) as client:
        made = client.realtime.client_secrets.create(
            expires_after={"anchor": "created_at", "seconds": 60},
            session={"type": "realtime", "instructions": "Be brief."},
        )
    assert made.value.startswith("ek_")
    assert len(made.value) >= 3 + 43
    assert 50 <= made.expires_at - time.time() <= 61
    assert made.session.type == "realtime"
    assert made.session.instructions == "Be brief."
    for options in (
        {"key": made.value},
        {"protocols": [f"openai-insecure-api-key.{made.value}", "realtime"]},
    ):
        with calling(server, **options) as caller:
            assert caller.seen[0]["session"]["instructions"] == "Be brief."
            caller.respond()
    for request in engine.requests:
        assert {schema.name for schema in request.tools} == {"weather"}


def test_a_secret_opens_only_live_conversations(serve: Serve, file: Path) -> None:
    server = serve(server={"keys": file}, key=add_key(file))
    secret = server.client.post("/v1/realtime/client_secrets", json={}).json()["value"]
    headers = {"Authorization": f"Bearer {secret}"}
    for path in ("/v1/models", "/v1/voices", "/v1/sessions", "/metrics"):
        assert server.client.get(path, headers=headers).status_code == 403, path
    chat = {"model": "m", "messages": [{"role": "user", "content": "Hello."}]}
    url = f"{server.client.base_url}/v1/chat/completions"
    assert httpx.post(url, json=chat, headers=headers).status_code == 403


def test_a_secret_cannot_create_further_secrets(serve: Serve, file: Path) -> None:
    server = serve(server={"keys": file}, key=add_key(file))
    secret = server.client.post("/v1/realtime/client_secrets", json={}).json()["value"]
    headers = {"Authorization": f"Bearer {secret}"}
    answer = server.client.post("/v1/realtime/client_secrets", json={}, headers=headers)
    assert answer.status_code == 403


def test_a_removed_key_removes_its_secrets(serve: Serve, file: Path) -> None:
    key, _ = add_key(file), add_key(file)
    server = serve(server={"keys": file}, key=key)
    secret = server.client.post("/v1/realtime/client_secrets", json={}).json()["value"]
    with calling(server, key=secret):
        pass
    remove_key(file, key.split("_")[1])
    with pytest.raises(InvalidStatus) as info, calling(server, key=secret):
        pass
    assert info.value.response.status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"expires_after": {"seconds": 9}}, 400),
        ({"expires_after": {"seconds": 7_201}}, 400),
        ({"session": {"type": "realtime", "output_modalities": ["video"]}}, 400),
        ({"session": {"type": "realtime", "instructions": "x" * 17_000}}, 413),
        ({"session": {"type": "realtime", "x": [{}] * 8_000}}, 413),
        ({"session": {"type": "transcription"}}, 200),
        ({}, 200),
    ],
)
def test_a_secret_request_is_validated(serve: Serve, body: dict[str, object], status: int) -> None:
    answer = serve().client.post("/v1/realtime/client_secrets", json=body)
    assert answer.status_code == status, answer.text
    if status == 200:
        assert 590 <= answer.json()["expires_at"] - time.time() <= 601


def test_a_secret_of_a_transcription_session_opens_one(serve: Serve) -> None:
    server = serve()
    session = {"type": "transcription", "audio": {"input": {"turn_detection": None}}}
    made = server.client.post("/v1/realtime/client_secrets", json={"session": session}).json()
    with calling(server, "", key=made["value"]) as caller:
        session = caller.seen[0]["session"]
        assert session["type"] == "transcription"
        assert session["audio"]["input"]["turn_detection"] is None


def test_the_connections_of_a_key_that_is_removed_are_closed(serve: Serve, file: Path) -> None:
    key, other = add_key(file), add_key(file)
    server = serve(server={"keys": file}, key=key)
    secret = server.client.post("/v1/realtime/client_secrets", json={}).json()["value"]
    with (
        calling(server, key=key) as caller,
        calling(server, key=secret) as browser,
        calling(server, key=other) as stays,
    ):
        remove_key(file, key.split("_")[1])
        assert caller.closed()[0] == 1008
        assert browser.closed()[0] == 1008
        stays.update()


def test_a_turn_of_a_connection_counts_as_a_request_of_its_key(serve: Serve, file: Path) -> None:
    server = serve(
        ScriptedEngine(["Yes."] * 3),
        server={"keys": file},
        key=add_key(file, requests_per_minute=3),
    )
    with calling(server, key=server.client.headers["Authorization"][7:]) as caller:
        for status in ("completed", "completed", "failed"):
            caller.say("Hello.")
            caller.send("response.create")
            done = caller.until("response.done")
            assert done["response"]["status"] == status
    assert "3 times a minute" in str(done)


def test_a_secret_expires() -> None:
    now = [1_000.0]
    secrets = ClientSecrets(lambda: now[0])
    token, made = secrets.make("me", 60, {})
    assert secrets.find(token) is made
    now[0] += 61
    assert secrets.find(token) is None


def test_secrets_are_bounded_by_key_and_expired_ones_are_removed_first() -> None:
    now = [1_000.0]
    secrets = ClientSecrets(lambda: now[0])
    for _ in range(MAX_PER_OWNER):
        secrets.make("me", 60, {})
    with pytest.raises(ApiError) as info:
        secrets.make("me", 60, {})
    assert info.value.status == 429
    secrets.make("you", 60, {})
    now[0] += 61
    secrets.make("me", 60, {})


def test_ids_cannot_be_guessed() -> None:
    made = {new_id("sess") for _ in range(100)}
    assert len(made) == 100
    assert all(len(one) == 5 + 24 for one in made)
