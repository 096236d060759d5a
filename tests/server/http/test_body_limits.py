"""A thousand invalid bodies: each gets a 4xx, and the server's memory stays flat."""

from __future__ import annotations

import gc
import json
import tracemalloc
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as bounded
from hypothesis import strategies as st

from assistant.testing import ScriptedEngine
from tests.support.serving import Serve

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
WRONG = JSON.filter(lambda value: not isinstance(value, str | list | type(None)))
PART = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "input_audio", "audio_url", "image_url", "file"])},
    optional={
        "input_audio": st.fixed_dictionaries(
            {"data": st.text(max_size=30), "format": st.sampled_from(["wav", "mp3", "", "x"])}
        ),
        "audio_url": st.fixed_dictionaries({"url": st.text(max_size=30)}),
    },
)
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "human"]), "content": st.lists(PART, min_size=1, max_size=3)}
) | st.fixed_dictionaries(
    {"role": st.sampled_from(["tool", "input"]), "tool_call_id": st.text(), "content": st.text()}
)
CHAT = st.one_of(
    st.fixed_dictionaries({"messages": WRONG}),
    st.fixed_dictionaries({"messages": st.lists(MESSAGE, min_size=1, max_size=3)}),
    st.fixed_dictionaries({"messages": st.lists(WRONG, min_size=1, max_size=3)}),
)
SPEECH = st.fixed_dictionaries({"input": WRONG | st.sampled_from(["", " ", "\ud800"])})
TEXT = {"messages": [{"role": "user", "content": "hello"}]}
FIELDS = ("tools", "tool_choice", "audio", "stream_options", "sampling_params_list", "modalities")
FIELD = st.builds(
    lambda name, value: {**TEXT, name: value},
    st.sampled_from(FIELDS),
    st.integers() | st.booleans() | st.just([1]),
)
JSON_BODY = st.tuples(st.just("/v1/chat/completions"), CHAT | FIELD) | st.tuples(
    st.just("/v1/audio/speech"), SPEECH
)
RAW = st.binary(max_size=60) | st.sampled_from(
    [b"[" * 100_000, b'{"a":' * 5_000, b"1" * 5_000, b'"\\ud800"', b"\xff\xfe{}", b"nul", b"NaN"]
)
PATHS = ("/v1/chat/completions", "/v1/audio/speech", "/generate", "/v1/audio/transcriptions")
KINDS = ("application/json", "multipart/form-data; boundary=x", "multipart/form-data", "text/plain")


@pytest.fixture
def client(serve: Serve) -> httpx.Client:
    return serve(ScriptedEngine(["Hello."])).client


def check(answer: httpx.Response) -> None:
    assert 400 <= answer.status_code < 500, answer.text
    body = answer.json()
    message = body["error"]["message"] if "error" in body else body["detail"]
    assert message
    assert "\n" not in message
    assert "Traceback" not in message


def test_a_thousand_malformed_bodies_are_refused_and_nothing_of_them_stays(
    client: httpx.Client,
) -> None:
    @given(sent=JSON_BODY)
    @bounded(max_examples=600, deadline=None, database=None)
    def wrong_values(sent: tuple[str, Any]) -> None:
        path, value = sent
        headers = {"Content-Type": "application/json"}
        check(client.post(path, content=json.dumps(value), headers=headers))

    @given(path=st.sampled_from(PATHS), kind=st.sampled_from(KINDS), body=RAW)
    @bounded(max_examples=400, deadline=None, database=None)
    def wrong_bytes(path: str, kind: str, body: bytes) -> None:
        check(client.post(path, content=body, headers={"Content-Type": kind}))

    wrong_bytes()
    wrong_values()
    assert client.post("/v1/chat/completions", json=TEXT).status_code == 200


def test_memory_stays_flat_over_refused_bodies(client: httpx.Client) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": [{"type": "x" * 100_000}]}]})

    def send(count: int) -> None:
        for _ in range(count):
            headers = {"Content-Type": "application/json"}
            check(client.post("/v1/chat/completions", content=body, headers=headers))

    send(20)
    tracemalloc.start()
    try:
        send(5)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        send(50)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 1_000_000  # one body for each would be 5 MB
