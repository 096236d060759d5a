"""The files of the web page, as a browser asks for them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from assistant.server.auth.key_file import add_key
from assistant.server.page import FOLDER, static_files
from tests.support.serving import Serve

MODULES = sorted(FOLDER.glob("*.js"))
FILES = sorted(path for path in FOLDER.iterdir() if path.is_file())


def test_every_file_of_the_page_is_served_with_its_type(serve: Serve) -> None:
    client = serve().client
    assert client.get("/").headers["content-type"] == "text/html; charset=utf-8"
    for path in FILES:
        answer = client.get(f"/static/{path.name}")
        assert (answer.status_code, answer.content) == (200, path.read_bytes())
        wanted = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg", ".html": ""}
        assert answer.headers["content-type"].startswith(wanted[path.suffix])
    assert {path.name for path in FILES} == set(static_files())


def test_a_browser_caches_the_files_and_revalidates_them(serve: Serve) -> None:
    client = serve().client
    first = client.get("/static/main.js")
    assert first.headers["cache-control"] == "no-cache"
    again = client.get("/static/main.js", headers={"If-None-Match": f"W/{first.headers['etag']}"})
    assert (again.status_code, again.content) == (304, b"")
    other = client.get("/static/main.js", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200
    assert client.head("/").headers["etag"] == client.get("/").headers["etag"]


def test_the_page_can_load_and_reach_only_this_server(serve: Serve) -> None:
    client = serve().client
    for path in ("/", "/static/main.js"):
        headers = client.get(path).headers
        policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
        assert policy.pop("default-src") == policy.pop("frame-ancestors") == "'none'"
        assert policy.pop("script-src") == policy.pop("connect-src") == "'self'"
        assert "unsafe" not in str(policy)
        assert headers["x-content-type-options"] == "nosniff"
        assert "microphone=(self)" in headers["permissions-policy"]


def test_no_file_names_another_server_or_builds_html_from_text() -> None:
    for path in FILES:
        text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|\bdata:|//cdn", text), path
        assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|\beval\b", text), path
        assert not re.search(r"<[^>]* (style|on[a-z]+)=", text), path
    assert not re.search(r"<script(?![^>]*src=)", (FOLDER / "index.html").read_text("utf-8"))


def test_all_modules_are_requested_at_once() -> None:
    named = set(re.findall(r'="static/([a-z-]+\.js)"', (FOLDER / "index.html").read_text("utf-8")))
    worklets = {path.name for path in MODULES if "worklet" in path.name}
    assert named == {path.name for path in MODULES} - worklets - {"resampler.js"}


def test_only_the_files_of_the_page_are_served(serve: Serve) -> None:
    client = serve().client
    for name in ("nothing.js", "..%2fapp.py", "%2e%2e/app.py", "", ".", "page.py", "main.js%00"):
        answer = client.get(f"/static/{name}")
        assert answer.status_code in (404, 405), name
        assert "import" not in answer.text


def test_the_page_needs_no_key_and_its_requests_do(serve: Serve, tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    add_key(keys)
    client = serve(server={"keys": str(keys)}).client
    assert client.get("/").status_code == 200
    assert client.get("/static/main.js").status_code == 200
    for path in ("/v1/voices", "/static", "/statics/main.js"):
        assert client.get(path, follow_redirects=False).status_code == 401


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here")
def test_every_module_is_well_formed() -> None:
    parse = """
        const {readFileSync} = require('fs');
        for (const identifier of process.argv.slice(1)) {
            new (require('vm').SourceTextModule)(readFileSync(identifier, 'utf-8'), {identifier});
        }
    """
    command = ["node", "--experimental-vm-modules", "-e", parse, *map(str, MODULES)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_the_modules_are_small_and_have_no_globals() -> None:
    for path in MODULES:
        text = path.read_text("utf-8")
        assert text.count("\n") <= 300, path
        assert not re.search(r"\b(window|globalThis|self)\.\w+ *=[^=]", text), path
