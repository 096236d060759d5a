"""API keys: the file, scopes and rates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assistant import ToolResult, tool
from assistant.config import ServerSettings
from assistant.errors import SettingsError
from assistant.server.auth.key_file import KeyFile, add_key, read_keys, remove_key
from assistant.server.auth.keys import SCOPES, ApiKey
from assistant.server.auth.middleware import check_address
from assistant.server.auth.rate_limits import RateLimits
from assistant.server.http.errors import ApiError
from assistant.testing import ScriptedEngine
from tests.support.serving import Hold, Serve, events_of, new_session
from tests.support.tool_calls import call


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.toml"


def test_a_known_key_is_accepted_and_an_unknown_one_is_refused(file: Path) -> None:
    token = add_key(file, name='the "desk"', scopes=["chat"], tools=["a"], requests_per_minute=5)
    other = add_key(file)
    ring = read_keys(file)
    key = ring.find(token)
    assert key is not None
    assert (key.name, key.scopes, key.tools) == ('the "desk"', {"chat"}, {"a"})
    assert (key.voices, key.requests_per_minute, key.concurrent_turns) == (None, 5, None)
    assert ring.find(other) != key
    for wrong in ("", "x", token[:-1], token + "x", token.swapcase(), other[:12] + token[12:]):
        assert ring.find(wrong) is None


def test_the_file_contains_no_key_and_only_its_owner_can_read_it(file: Path) -> None:
    token = add_key(file)
    assert token.rsplit("_", 1)[1] not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


def test_a_removed_key_is_refused_and_a_broken_file_changes_nothing(
    file: Path,
) -> None:
    first, second = add_key(file), add_key(file)
    keys = KeyFile(file)
    text = file.read_text()
    file.write_text(text[text.index("[keys.", 5) :])
    assert keys.current().find(first) is None
    assert keys.current().find(second) is not None
    for wrong in ("[[[", "a = " + "[" * 2_000, "a = 0x" + "f" * 4_000):
        file.write_text(wrong)
        assert keys.current().find(second) is not None


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "no keys"),
        ("[keys", "not TOML"),
        ("other = 1", "nothing else"),
        ("keys = " + "[" * 2_000, "nested"),
        (f"[keys.3f2a9c01]\nname = 0x{'f' * 4_000}", "64 bits"),
        ("keys = 3", "nothing else"),
        ("[keys.3f2a9c01]\nname = 'a'", "sha256"),
        (f"[keys.zz]\nsha256 = '{'0' * 64}'", "keys.zz.id"),
        (f"[keys.3f2a9c01]\nsha256 = '{'0' * 64}'\nscope = ['chat']", "did you mean 'scopes'"),
        (f"[keys.3f2a9c01]\nsha256 = '{'0' * 64}'\nscopes = ['chta']", "scopes"),
    ],
)
def test_a_bad_key_file_is_one_clear_line(file: Path, text: str, word: str) -> None:
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        KeyFile(file)
    assert word in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_key_file_is_one_clear_line(file: Path) -> None:
    with pytest.raises(SettingsError, match="can't be read"):
        read_keys(file)


def test_a_bucket_allows_a_minute_of_requests_and_says_when_the_next_is_due() -> None:
    now = [0.0]
    rates = RateLimits(now=lambda: now[0])
    key = ApiKey(id="00000000", sha256="0" * 64, requests_per_minute=30)
    for _ in range(30):
        rates.count_request(key)
    with pytest.raises(ApiError) as caught:
        rates.count_request(key)
    assert (caught.value.status, caught.value.headers["Retry-After"]) == (429, "2")
    now[0] += 2.0
    rates.count_request(key)
    with pytest.raises(ApiError):
        rates.count_request(key)


@pytest.mark.parametrize(
    ("settings", "fine"),
    [
        ({"host": "127.0.0.1"}, True),
        ({"host": "::1"}, True),
        ({"host": "localhost"}, True),
        ({"host": "0.0.0.0"}, False),
        ({"host": "::"}, False),
        ({"host": "192.168.1.7"}, False),
        ({"host": "example.org"}, False),
        ({"host": "0.0.0.0", "insecure": True}, True),
        ({"host": "0.0.0.0", "keys": "keys.toml"}, True),
    ],
)
def test_a_server_without_keys_listens_on_loopback_only(
    settings: dict[str, Any], fine: bool
) -> None:
    made = ServerSettings.model_validate(settings)
    if fine:
        check_address(made)
    else:
        with pytest.raises(SettingsError, match="--insecure"):
            check_address(made)


def test_a_server_with_keys_needs_one_for_everything_but_the_probes(
    serve: Serve, file: Path
) -> None:
    token = add_key(file, scopes=SCOPES)
    server = serve(server={"keys": file})
    client = server.client
    assert client.get("/health").json() == {"status": "healthy"}
    assert client.get("/ready").status_code == 200
    for path in ("/v1/sessions", "/v1/tools", "/metrics", "/v1/models", "/nowhere"):
        answer = client.get(path)
        assert answer.status_code == 401, path
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert client.get(path, headers={"Authorization": "Bearer va_no"}).status_code == 401
        assert client.get(path, headers={"Authorization": f"Basic {token}"}).status_code == 401
        opened = client.get(path, headers={"Authorization": f"Bearer {token}"}).status_code
        assert opened == (404 if path == "/nowhere" else 200)
    body = client.get("/v1/tools", headers={"Authorization": "Bearer no"}).json()
    assert body["error"]["code"] == "invalid_api_key"


def test_a_server_without_keys_accepts_any_key(serve: Serve) -> None:
    answer = serve().client.get("/v1/tools", headers={"Authorization": "Bearer EMPTY"})
    assert answer.status_code == 200


def test_a_key_can_do_only_what_its_scopes_allow(serve: Serve, file: Path) -> None:
    server = serve(server={"keys": file}, key=add_key(file, scopes=["tools"]))
    assert server.client.get("/v1/tools").status_code == 200
    for path in ("/v1/sessions", "/metrics"):
        answer = server.client.get(path)
        assert answer.status_code == 403, path
        assert "scope" in answer.text


def test_a_session_is_invisible_to_other_keys(serve: Serve, file: Path) -> None:
    mine, other = add_key(file), add_key(file)
    server = serve(server={"keys": file}, key=mine)
    session = new_session(server)
    assert [s["id"] for s in server.client.get("/v1/sessions").json()["data"]] == [session]
    server.client.headers["Authorization"] = f"Bearer {other}"
    assert server.client.get("/v1/sessions").json()["data"] == []
    for method, path in (("GET", ""), ("GET", "/history"), ("DELETE", ""), ("POST", "/turns")):
        answer = server.client.request(method, f"/v1/sessions/{session}{path}", json={"text": "a"})
        assert answer.status_code == 404


def test_a_key_uses_only_its_tools(serve: Serve, file: Path) -> None:
    @tool
    async def open_door() -> str:
        """Opens."""
        return "open"

    @tool
    async def ring_bell() -> str:
        """Rings."""
        return "ring"

    engine = ScriptedEngine([call("open_door")], ["Hm."])
    key = add_key(file, tools=["ring_bell"])
    server = serve(engine, open_door, ring_bell, server={"keys": file}, key=key)
    names = [t["function"]["name"] for t in server.client.get("/v1/tools").json()["data"]]
    assert names == ["ring_bell"]
    refused = server.client.post("/v1/sessions", json={"tools": ["open_door"]})
    assert refused.status_code == 403
    session = new_session(server)
    answer = server.client.post(f"/v1/sessions/{session}/turns", json={"text": "open"})
    (finished,) = [e for e in events_of(answer.text) if e["type"] == "tool_call_finished"]
    assert finished["outcome"] == "denied"


def test_a_key_uses_only_its_voices_and_its_tools_do_too(serve: Serve, file: Path) -> None:
    @tool
    async def speak_as(voice: str) -> ToolResult:
        """Changes the voice."""
        return ToolResult("done", voice=voice)

    engine = ScriptedEngine([call("speak_as", voice="slt")], ["Hm."])
    key = add_key(file, voices=["awb"])
    server = serve(engine, speak_as, server={"keys": file}, key=key)
    assert server.client.post("/v1/sessions", json={"voice": "slt"}).status_code == 400
    session = new_session(server, voice="awb")
    answer = server.client.post(f"/v1/sessions/{session}/turns", json={"text": "hi"})
    (finished,) = [e for e in events_of(answer.text) if e["type"] == "tool_call_finished"]
    assert finished["outcome"] == "error"
    assert engine.requests[-1].voice.id == "awb"


def test_a_key_that_asks_too_often_is_told_when_to_retry(serve: Serve, file: Path) -> None:
    server = serve(server={"keys": file}, key=add_key(file, requests_per_minute=2))
    codes = [server.client.get("/v1/tools").status_code for _ in range(3)]
    assert codes == [200, 200, 429]
    assert int(server.client.get("/v1/tools").headers["Retry-After"]) >= 1
    assert server.client.get("/health").status_code == 200


def test_a_key_has_a_limit_of_concurrent_turns(serve: Serve, file: Path, hold: Hold) -> None:
    key = add_key(file, concurrent_turns=1)
    server = serve(ScriptedEngine(["One ", hold]), server={"keys": file}, key=key)
    first, second = new_session(server), new_session(server)
    body = {"text": "go"}
    with server.client.stream("POST", f"/v1/sessions/{first}/turns", json=body) as running:
        hold.wait_reached()
        refused = server.client.post(f"/v1/sessions/{second}/turns", json=body)
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
        hold.let_go.set()
        running.read()
    assert server.client.post(f"/v1/sessions/{second}/turns", json=body).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost:8000"}, 200),
        ({"Host": "[::1]:8000"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "here.example", "Origin": "http://here.example"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://app.example"}, 200),
    ],
)
def test_web_pages_of_other_origins_cannot_use_a_server_without_keys(
    serve: Serve, headers: dict[str, str], status: int
) -> None:
    options = {"cors_origins": ["https://app.example"], "allowed_hosts": ["here.example"]}
    server = serve(server=options)
    assert server.client.get("/v1/tools", headers=headers).status_code == status


def test_no_origin_is_allowed_unless_it_is_listed(serve: Serve) -> None:
    preflight = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    answer = serve().client.options("/v1/sessions", headers=preflight)
    assert "access-control-allow-origin" not in answer.headers
    assert answer.status_code >= 400


def test_a_listed_origin_is_allowed(serve: Serve) -> None:
    preflight = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    server = serve(server={"cors_origins": ["https://app.example"]})
    answer = server.client.options("/v1/sessions", headers=preflight)
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    preflight["Origin"] = "https://evil.example"
    answer = server.client.options("/v1/sessions", headers=preflight)
    assert "access-control-allow-origin" not in answer.headers


def test_a_narrowed_key_counts_from_the_next_turn_of_a_session_that_lives(
    serve: Serve, file: Path
) -> None:
    @tool
    async def open_door() -> str:
        """Opens."""
        return "open"

    key = add_key(file)
    engine = ScriptedEngine([call("open_door")], ["Done."], [call("open_door")], ["Hm."])
    server = serve(engine, open_door, server={"keys": file}, key=key)
    session = new_session(server)
    for outcome in ("ok", "denied"):
        answer = server.client.post(f"/v1/sessions/{session}/turns", json={"text": "open"})
        (finished,) = [e for e in events_of(answer.text) if e["type"] == "tool_call_finished"]
        assert finished["outcome"] == outcome
        file.write_text(file.read_text() + 'tools = ["ring_bell"]\n')
    assert not engine.requests[-1].tools


def test_a_voice_that_a_key_may_no_longer_use_is_not_spoken_in_again(
    serve: Serve, file: Path
) -> None:
    engine = ScriptedEngine(["One."], ["Two."])
    server = serve(engine, server={"keys": file}, key=add_key(file))
    session = new_session(server, voice="slt")
    for voice in ("slt", "default"):
        server.client.post(f"/v1/sessions/{session}/turns", json={"text": "hi"})
        assert engine.requests[-1].voice.id == voice
        file.write_text(file.read_text() + 'voices = ["awb"]\n')


def test_a_key_file_without_keys_revokes_them_unless_it_is_empty(file: Path) -> None:
    key = add_key(file)
    keys = KeyFile(file)
    remove_key(file, key[3:11])
    assert keys.current().find(key) is None


def test_a_file_that_is_emptied_changes_nothing(file: Path) -> None:
    key = add_key(file)
    keys = KeyFile(file)
    file.write_text("")
    assert keys.current().find(key) is not None


def test_a_file_of_keys_is_replaced_at_once_and_keeps_its_mode(file: Path) -> None:
    first, second = add_key(file), add_key(file)
    file.chmod(0o640)
    before = file.stat().st_ino
    remove_key(file, first[3:11])
    assert file.stat().st_ino != before
    assert file.stat().st_mode & 0o777 == 0o640
    assert [key.id for key in read_keys(file)] == [second[3:11]]
    assert [path.name for path in file.parent.iterdir()] == [file.name]
