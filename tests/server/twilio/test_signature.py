"""Only Twilio reaches the telephone, and only with an announced call."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from assistant.config import TwilioSettings, load_settings
from assistant.errors import SettingsError
from assistant.server.auth.key_file import add_key
from assistant.server.twilio.pending_calls import PendingCalls
from assistant.server.twilio.signature import HEADER, is_signed, sign
from assistant.server.twilio.telephone import Telephone
from assistant.testing.clock import ManualClock
from tests.server.twilio.simulated_caller import (
    ACCOUNT,
    CALL,
    announce,
    answering,
    connected,
)
from tests.support.serving import Running, Serve

pytestmark = pytest.mark.anyio

PUBLIC = "https://phone.example"
TOKEN = "a secret of the account"
SIGNED = {"twilio": {"auth_token": TOKEN, "public_url": PUBLIC, "greeting": ""}}
FORM = {"CallSid": CALL, "From": "+15550100", "SpeechResult": "", "ö": "ü&="}
VOICE_URL = f"{PUBLIC}/twilio/voice"
MEDIA_URL = "wss://phone.example/twilio/media"


def ring(server: Running, headers: dict[str, str], query: str = "", **form: str) -> httpx.Response:
    return server.client.post(f"/twilio/voice{query}", data={**FORM, **form}, headers=headers)


def test_the_signature_equals_the_one_in_twilios_documentation() -> None:
    fields = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert sign("12345", url, list(fields.items())) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="
    assert is_signed("RSOYDt4T1cUTdK1PDd93/VVr8B8=", "12345", url, list(fields.items()))


@pytest.mark.parametrize(
    ("signed", "asked"),
    [
        ("https://a.example:443/x", "https://a.example/x"),
        ("https://a.example/x", "https://a.example:443/x"),
        ("wss://a.example:443/x", "wss://a.example/x"),
        ("https://a.example:8443/x", "https://a.example:8443/x"),
    ],
)
def test_the_default_port_of_the_scheme_makes_no_difference(signed: str, asked: str) -> None:
    assert is_signed(sign("t", signed), "t", asked)


@pytest.mark.parametrize(
    "other", ["https://a.example:8443/x", "http://a.example/x", "https://a.example/x/", ""]
)
def test_another_address_has_another_signature(other: str) -> None:
    assert not is_signed(sign("t", other), "t", "https://a.example/x")


def test_a_signed_webhook_is_answered_with_the_address_of_the_socket(serve: Serve) -> None:
    server = serve(answering(["Hi."]), server=SIGNED)
    answer = ring(server, {HEADER: sign(TOKEN, VOICE_URL, list(FORM.items()))})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/xml")
    stream = ElementTree.fromstring(answer.content).find("Connect/Stream")
    assert stream is not None
    assert stream.attrib == {"url": MEDIA_URL}
    assert [child.attrib["name"] for child in stream] == ["token"]


def test_a_configured_query_is_part_of_the_signature(serve: Serve) -> None:
    server = serve(answering(["Hi."]), server=SIGNED)
    url = f"{VOICE_URL}?line=%2B1&x"
    assert ring(server, {HEADER: sign(TOKEN, url, list(FORM.items()))}, "?line=%2B1&x").is_success
    assert ring(server, {HEADER: sign(TOKEN, url, list(FORM.items()))}).status_code == 403


def test_a_webhook_with_a_wrong_signature_is_refused(serve: Serve) -> None:
    server = serve(answering(["Hi."]), server=SIGNED)
    right = sign(TOKEN, VOICE_URL, list(FORM.items()))
    for wrong in ("", "x", right[:-2], right.lower(), sign("other", VOICE_URL)):
        assert ring(server, {HEADER: wrong}).status_code == 403
    assert ring(server, {}).status_code == 403
    assert ring(server, {HEADER: right}, From="+15550199").status_code == 403
    assert len(server.app.state.server.get(Telephone).announced) == 0


async def test_a_socket_with_a_wrong_signature_is_refused(serve: Serve) -> None:
    server = serve(answering(["Hi."]), server=SIGNED)
    token = announce(server, TOKEN, PUBLIC)
    for signature in (None, "", sign(TOKEN, VOICE_URL), sign("other", MEDIA_URL)):
        headers = {} if signature is None else {HEADER: signature}
        with pytest.raises(InvalidStatus) as refused:
            async with connected(server, headers=headers):
                pass
        assert refused.value.response.status_code == 403
    async with connected(server, headers={HEADER: sign(TOKEN, MEDIA_URL)}) as caller:
        await caller.start(token)
        await caller.hang_up()
        assert await caller.until_closed() == (1000, "")


async def test_a_token_is_valid_for_one_call(serve: Serve) -> None:
    server = serve(answering(["Hi."]), server={"insecure": True, "twilio": {"greeting": ""}})
    token = announce(server)
    async with connected(server) as first, connected(server) as replayed:
        await first.start(token)
        await first.hang_up()
        assert await first.until_closed() == (1000, "")
        await replayed.start(token)
        assert await replayed.until_closed() == (1008, "the call was not announced")


async def test_a_token_is_valid_for_its_call_and_one_attempt(
    serve: Serve,
) -> None:
    server = serve(answering(["Hi."]), server={"insecure": True, "twilio": {"greeting": ""}})
    token = announce(server)
    for changes in ({"callSid": "CA" + "9" * 32}, {}):
        async with connected(server) as caller:
            await caller.start(token, **changes)
            assert await caller.until_closed() == (1008, "the call was not announced")


async def test_an_unannounced_call_is_refused(serve: Serve) -> None:
    server = serve(answering(["Hi."]), server={"insecure": True})
    for parameters in ({}, {"token": ""}, {"token": "guessed"}):
        async with connected(server) as caller:
            await caller.start(customParameters=parameters)
            assert await caller.until_closed() == (1008, "the call was not announced")
    server.stop()
    assert server.metric("assistant_calls_total", ended_by="refused") == 3


async def test_tokens_expire_after_half_a_minute_and_when_there_are_too_many() -> None:
    clock = ManualClock()
    announced = PendingCalls(clock, most=3)
    old = announced.add("CA1")
    await clock.advance(31)
    assert not announced.take(old, "CA1")
    tokens = [announced.add("CA2") for _ in range(5)]
    assert len(announced) == 3
    assert [announced.take(token, "CA2") for token in tokens] == [False, False, True, True, True]


async def test_a_call_is_known_for_an_hour_and_among_a_bounded_number() -> None:
    clock = ManualClock()
    announced = PendingCalls(clock, most_known=2)
    for call_sid in ("CA1", "CA2", "CA3"):
        announced.add(call_sid)
    assert [announced.is_known(f"CA{n}") for n in (1, 2, 3)] == [False, True, True]
    await clock.advance(3_599)
    assert announced.is_known("CA3")
    await clock.advance(2)
    assert not announced.is_known("CA3")


async def test_a_repeated_webhook_gets_the_same_token_until_the_call_has_come(
    serve: Serve,
) -> None:
    server = serve(answering(["Hi."]), server=SIGNED)
    token = announce(server, TOKEN, PUBLIC)
    assert announce(server, TOKEN, PUBLIC) == token
    async with connected(server, headers={HEADER: sign(TOKEN, MEDIA_URL)}) as caller:
        await caller.start(token)
        await caller.hang_up()
        assert await caller.until_closed() == (1000, "")
    for form in ({}, {"From": "+15550177"}):
        fields = list({**FORM, **form}.items())
        replayed = ring(server, {HEADER: sign(TOKEN, VOICE_URL, fields)}, **form)
        assert replayed.status_code == 409
    assert len(server.app.state.server.get(Telephone).announced) == 0


@pytest.mark.parametrize(
    "call_sid", ["", "CA1", "CA" + "1" * 33, "CA" + "g" * 32, "CA" + "1" * 32 + "\n", "x" * 60_000]
)
def test_the_id_of_a_call_must_have_twilios_form(serve: Serve, call_sid: str) -> None:
    server = serve(answering(["Hi."]), server={"insecure": True})
    answer = server.client.post("/twilio/voice", data={"CallSid": call_sid})
    assert answer.status_code == 422
    assert len(answer.content) < 1_000


def test_a_signed_webhook_of_another_account_is_refused(serve: Serve) -> None:
    table = {**SIGNED["twilio"], "account_sid": ACCOUNT}
    server = serve(answering(["Hi."]), server={"twilio": table})
    for account, status in (("AC" + "5" * 32, 403), ("", 403), (ACCOUNT, 200)):
        fields = {**FORM, "AccountSid": account}
        signature = sign(TOKEN, VOICE_URL, list(fields.items()))
        assert ring(server, {HEADER: signature}, AccountSid=account).status_code == status


async def test_a_call_of_another_account_is_refused(serve: Serve) -> None:
    table = {"account_sid": "AC" + "5" * 32, "greeting": ""}
    server = serve(answering(["Hi."]), server={"insecure": True, "twilio": table})
    token = announce(server, AccountSid=table["account_sid"])
    async with connected(server) as caller:
        await caller.start(token)
        assert await caller.until_closed() == (1008, "the call is of another account")


async def test_the_telephone_route_is_absent_without_an_auth_token(serve: Serve) -> None:
    server = serve(answering(["Hi."]))
    assert server.client.post("/twilio/voice", data=FORM).status_code == 404
    with pytest.raises(InvalidStatus) as refused:
        async with connected(server):
            pass
    assert refused.value.response.status_code == 404


def test_the_telephone_route_of_a_server_with_keys_needs_signatures(
    serve: Serve, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.toml"
    add_key(keys)
    server = serve(answering(["Hi."]), server={"insecure": True, "keys": keys})
    assert server.client.post("/twilio/voice", data=FORM).status_code == 404


def test_twilio_needs_no_api_key_and_can_use_any_host_name(serve: Serve, tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    add_key(keys)
    headers = {HEADER: sign(TOKEN, VOICE_URL, list(FORM.items())), "Host": "phone.example"}
    for more in ({}, {"keys": keys}):
        server = serve(answering(["Hi."]), server={**SIGNED, **more})
        assert ring(server, headers).status_code == 200
        server.stop()


def test_forms_that_are_invalid_or_too_large_are_refused(serve: Serve) -> None:
    server = serve(answering(["Hi."]), server={"insecure": True})
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    for body, status in (
        (b"", 422),
        (b"From=1", 422),
        (b"\xff\xfe", 400),
        (b"a=1&" * 300, 400),
        (b"a=" + b"x" * 70_000, 413),
    ):
        answer = server.client.post("/twilio/voice", content=body, headers=kind)
        assert answer.status_code == status, body[:10]


def test_the_address_is_escaped_in_the_response(serve: Serve) -> None:
    public = 'https://phone.example/a&b"<c>'
    server = serve(answering(["Hi."]), server={"insecure": True, "twilio": {"public_url": public}})
    answer = server.client.post("/twilio/voice", data={"CallSid": CALL})
    stream = ElementTree.fromstring(answer.content).find("Connect/Stream")
    assert stream is not None
    assert stream.attrib["url"] == 'wss://phone.example/a&b"<c>/twilio/media'


def test_an_auth_token_needs_the_public_address_and_is_never_shown() -> None:
    variables = {"ASSISTANT_SERVER__TWILIO__AUTH_TOKEN": TOKEN}
    with pytest.raises(SettingsError) as refused:
        load_settings(environment=variables)
    assert "public_url" in str(refused.value)
    assert TOKEN not in str(refused.value)
    variables["ASSISTANT_SERVER__TWILIO__PUBLIC_URL"] = PUBLIC + "/"
    settings = load_settings(environment=variables)
    assert settings.server.twilio.public_url == PUBLIC
    assert TOKEN not in repr(settings)


@pytest.mark.parametrize("url", ["phone.example", "wss://phone.example", "https://", "https://a b"])
def test_an_invalid_public_address_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="public_url"):
        load_settings(environment={"ASSISTANT_SERVER__TWILIO__PUBLIC_URL": url})


def test_a_malformed_account_sid_is_refused() -> None:
    assert TwilioSettings(account_sid=ACCOUNT).account_sid == ACCOUNT
    with pytest.raises(SettingsError, match="account_sid"):
        load_settings(environment={"ASSISTANT_SERVER__TWILIO__ACCOUNT_SID": "../x"})
