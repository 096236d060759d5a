"""Requests have limits: size, depth, values and audio."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Iterator

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import settings as bounded
from hypothesis import strategies as st

from assistant.errors import AudioError
from assistant.server.audio.decode import decode_audio
from assistant.server.http.body_limits import MAX_MARKS, check_json
from assistant.server.http.errors import ApiError
from tests.support.serving import Serve, new_session, wav

JSON = {"Content-Type": "application/json"}


def test_a_body_that_is_too_large_is_a_413_whether_declared_or_not(serve: Serve) -> None:
    server = serve(server={"limits": {"max_body_bytes": 2_000}})
    path = f"/v1/sessions/{new_session(server)}/turns"

    def chunks() -> Iterator[bytes]:
        for _ in range(4):
            yield b" " * 1_000

    for answer in (
        server.client.post(path, content=b" " * 3_000, headers=JSON),
        server.client.post(path, content=chunks(), headers=JSON),
        server.client.post(path, files={"audio": b"x" * 3_000}),
        server.client.post(path, content=chunks(), headers={"Content-Type": "text/plain"}),
    ):
        assert answer.status_code == 413, answer.text
        assert "2000 bytes" in answer.json()["error"]["message"]
    assert server.client.post(path, json={"text": "fine"}).status_code == 200


@pytest.mark.parametrize("body", ["[" * 65, '{"a":' * 65, "[" * 100_000, '{"a":["x"]' * 70])
def test_json_that_is_nested_too_deep_is_a_400_before_it_is_parsed(serve: Serve, body: str) -> None:
    answer = serve().client.post("/v1/sessions", content=body, headers=JSON)
    assert answer.status_code == 400
    assert "64 levels" in answer.json()["error"]["message"]


def test_half_a_surrogate_pair_is_a_400(serve: Serve) -> None:
    server = serve()
    bad = server.client.post("/v1/sessions", content=b'{"language": "\\ud800"}', headers=JSON)
    assert bad.status_code == 400
    assert "surrogate" in bad.text
    good = b'{"metadata": {"a": "\\ud83d\\ude00 \\\\ud800"}}'
    answer = server.client.post("/v1/sessions", content=good, headers=JSON)
    assert answer.json()["metadata"] == {"a": "😀 \\ud800"}


def test_too_many_values_are_refused() -> None:
    with pytest.raises(ApiError, match="too many values"):
        check_json(b"[" + b"0," * (MAX_MARKS + 1) + b"0]", 64)
    with pytest.raises(ApiError, match="too many values"):
        check_json(b'["' + b'","' * MAX_MARKS + b'"]', 64)
    check_json(json.dumps({"text": "[{" * MAX_MARKS}).encode(), 64)  # text is not structure


VALUES = st.recursive(
    st.none() | st.integers() | st.text() | st.sampled_from(['"', "\\", '[{"', '\\"', "]}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


@given(value=VALUES, ascii_only=st.booleans())
@bounded(max_examples=200, deadline=None)
def test_the_checked_depth_is_the_depth_of_the_json(value: object, ascii_only: bool) -> None:
    depth = depth_of(value)
    body = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "replace")
    check_json(body, depth)
    if depth:
        with pytest.raises(ApiError, match="levels"):
            check_json(body, depth - 1)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"null", b'"x"', b"[1]", b"{}x"])
def test_a_malformed_body_is_a_4xx_in_the_usual_shape(serve: Serve, content: bytes) -> None:
    server = serve()
    for path in ("/v1/sessions", f"/v1/sessions/{new_session(server)}/turns"):
        answer = server.client.post(path, content=content, headers=JSON)
        assert 400 <= answer.status_code < 500
        assert answer.json()["error"]["message"]


def test_a_body_that_never_comes_is_a_408(serve: Serve) -> None:
    server = serve(server={"limits": {"body_timeout_s": 0.05}})
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        head = "POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"
        connection.sendall(head.encode() + b"{")
        assert b" 408 " in connection.recv(4_096).split(b"\r\n")[0]


def flac_bomb() -> bytes:
    """Returns a small file that decodes to long silence."""
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", 192_000, 8, format="FLAC", subtype="PCM_16") as file:
        for _ in range(40):
            file.write(np.zeros((96_000, 8), np.int16))
    return buffer.getvalue()


@pytest.mark.anyio
async def test_a_decompression_bomb_is_refused_by_its_decoded_size() -> None:
    data = flac_bomb()  # 20 seconds
    assert len(data) < 300_000
    with pytest.raises(AudioError, match="limit is 30 seconds"):
        await decode_audio(data, max_seconds=30)
    assert (await decode_audio(data, max_seconds=600)).seconds == pytest.approx(20)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "data",
    [b"", b"RIFF", b"x" * 1_000, wav()[:44], b"ID3" + b"\0" * 500, b"OggS" + b"\xff" * 300],
)
async def test_a_file_that_is_not_audio_is_an_error_of_one_line(data: bytes) -> None:
    with pytest.raises(AudioError) as caught:
        await decode_audio(data, max_seconds=10)
    assert "\n" not in str(caught.value)


@pytest.mark.anyio
@given(data=st.binary(max_size=200), at=st.integers(0, 60))
@bounded(max_examples=80, deadline=None)
async def test_a_damaged_file_is_decoded_or_refused(data: bytes, at: int) -> None:
    good = wav(0.05)
    try:
        pcm = await decode_audio(good[:at] + data + good[at:], max_seconds=1)
    except AudioError:
        return
    assert np.abs(pcm.samples).max() <= 1.0


def test_audio_that_is_too_long_is_a_400_with_the_limit(serve: Serve) -> None:
    server = serve(max_audio_s=1.0)
    path = f"/v1/sessions/{new_session(server)}/turns"
    answer = server.client.post(path, files={"audio": wav(1.5)})
    assert answer.status_code == 400
    assert "limit is 1 seconds" in answer.text
