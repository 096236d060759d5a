"""The page at `/docs`: what the API looks like, by Swagger UI, whose files this server sends.

The page lies in the origin in which the web page keeps its API key, so it loads nothing from other
hosts.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import NamedTuple

from fastapi import APIRouter
from starlette.responses import Response

from assistant.server.http.errors import not_found
from assistant.server.page import HEADERS, POLICY

router = APIRouter(include_in_schema=False)

_PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>API of the voice assistant</title>
  <link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
  <div id="swagger-ui"></div>
  <script src="docs/swagger-ui-bundle.js"></script>
  <script src="docs/start.js"></script>
</body>
</html>
"""
_START = 'SwaggerUIBundle({url: "openapi.json", dom_id: "#swagger-ui", validatorUrl: null});\n'
# Swagger UI writes HTML, styles in attributes, and pictures in data: URLs.
_POLICY = {
    **POLICY,
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data:",
}
for _name in ("require-trusted-types-for", "trusted-types"):
    del _POLICY[_name]
_HEADERS = {
    **HEADERS,
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in _POLICY.items()),
}


class _File(NamedTuple):
    content: str
    media_type: str


@cache
def _files() -> dict[str, _File]:
    folder = files("fastapi_offline") / "static"
    bundle, style = "swagger-ui-bundle.js", "swagger-ui.css"
    return {
        bundle: _File((folder / bundle).read_text("utf-8"), "text/javascript"),
        style: _File((folder / style).read_text("utf-8"), "text/css"),
        "start.js": _File(_START, "text/javascript"),
    }


@router.api_route("/docs", methods=["GET", "HEAD"])
async def api_page() -> Response:
    """The page."""
    return Response(_PAGE, media_type="text/html", headers=_HEADERS)


@router.api_route("/docs/{name}", methods=["GET", "HEAD"])
def file_of_api_page(name: str) -> Response:
    """A script or the style sheet of the page."""
    file = _files().get(name)
    if file is None:
        raise not_found(f"the page has no file {name!r}")
    return Response(file.content, media_type=file.media_type, headers=_HEADERS)
