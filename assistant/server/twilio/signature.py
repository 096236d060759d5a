"""Is a request really Twilio's? It signs each with the account's auth token.

The signature is base64 of HMAC-SHA1 over the URL as Twilio was given it and, for a form, each field
in the order of the names: name, then value. A request for a WebSocket has no fields.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit, urlunsplit

HEADER = "X-Twilio-Signature"
Fields = Sequence[tuple[str, str]]

_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


def sign(token: str, url: str, fields: Fields = ()) -> str:
    """Returns the signature that Twilio sends for this request. A repeated value of a field counts
    once.
    """
    text = url + "".join(name + value for name, value in sorted(set(fields)))
    # SHA-1 is what Twilio signs with; as a MAC with a secret key it is not broken.
    mac = hmac.new(token.encode(), text.encode("utf-8", "surrogatepass"), hashlib.sha1)
    return base64.b64encode(mac.digest()).decode("ascii")


def is_signed(signature: str, token: str, url: str, fields: Fields = ()) -> bool:
    """Returns whether the signature is right for the URL, with or without the scheme's own port in
    it.

    Which one Twilio signs has changed over the years. Takes as long for a wrong one as for a right
    one.
    """
    given = signature.encode("utf-8", "surrogatepass")
    right = [sign(token, form, fields).encode() for form in _forms(url)]
    return any([hmac.compare_digest(given, one) for one in right])  # noqa: C419 - a list: all are compared, in constant time


def _forms(url: str) -> Iterable[str]:
    parts = urlsplit(url)
    host = parts.netloc
    port = _PORTS.get(parts.scheme)
    bare = host.removesuffix(f":{port}")
    forms = {host} if port is None or (parts.port or port) != port else {bare, f"{bare}:{port}"}
    return [urlunsplit(parts._replace(netloc=netloc)) for netloc in sorted(forms)]
