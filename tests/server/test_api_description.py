"""The server does what /openapi.json says of it, whatever is sent (schemathesis)."""

from __future__ import annotations

import schemathesis
from hypothesis import given
from hypothesis import settings as bounded
from schemathesis import checks

from assistant.testing import ScriptedEngine
from tests.support.serving import Serve

CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


def test_every_response_matches_its_description_and_none_is_a_defect(serve: Serve) -> None:
    server = serve(ScriptedEngine(["Hello."]), max_audio_s=5.0)
    root = f"http://127.0.0.1:{server.port}"
    schema = schemathesis.openapi.from_url(f"{root}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 15
    for operation in operations:

        @given(case=operation.as_strategy())
        @bounded(max_examples=20, deadline=None, database=None)
        def send(case: schemathesis.Case) -> None:
            case.call_and_validate(base_url=root, checks=CHECKS)

        send()
    assert server.client.get("/health").status_code == 200
