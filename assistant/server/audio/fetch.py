"""Fetches audio from an untrusted URL, guarding against SSRF.

A host is resolved once, each of its addresses must be public, and the connection goes to the very
address that was checked: a name that resolves to something else a moment later (DNS rebinding) has
no effect. A redirect is a new URL and is checked like one.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

import anyio
import httpx

from assistant.errors import AudioError
from assistant.server.audio.names import Address

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class FetchLimits:
    max_bytes: int = 32 * 2**20
    timeout_s: float = 10.0
    """The time for everything, in seconds: name resolution, redirects and the last byte."""
    max_redirects: int = 3


def is_public(address: Address) -> bool:
    """Returns whether the address is on the public internet, also if it is wrapped
    in an IPv6 one.
    """
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id:
            return False
        inner = _inside(address)
        if inner is not None:
            return is_public(inner)
        if address.is_site_local:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _inside(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])


async def fetch_audio(
    url: str,
    limits: FetchLimits,
    *,
    resolve: Resolve,
    is_public: Callable[[Address], bool] = is_public,
) -> bytes:
    """The bytes behind a `data:`, `http:` or `https:` URL.

    Raises AudioError: another scheme, a host that is not public, too large, too slow, not there.
    The error never holds the URL, which may hold secrets.
    """
    if url[:5].lower() == "data:":
        return _from_data_url(url, limits)
    with anyio.move_on_after(limits.timeout_s):
        return await _Fetch(limits, is_public, resolve).run(url)
    raise AudioError(f"the audio URL did not answer within {limits.timeout_s:g} seconds")


def _from_data_url(url: str, limits: FetchLimits) -> bytes:
    head, comma, body = url.partition(",")
    if not comma:
        raise AudioError("the data: URL has no comma, so no data")
    if len(body) > 3 * limits.max_bytes:
        raise _too_large(limits)
    packed = head.lower().endswith(";base64")
    data = decode_base64(body) if packed else unquote_to_bytes(body)
    if len(data) > limits.max_bytes:
        raise _too_large(limits)
    return data


def decode_base64(text: str) -> bytes:
    """Plain or URL-safe base64, with white space and with or without padding. Raises AudioError."""
    compact = re.sub(r"\s+|%0[aAdD]", "", text).translate(_URL_SAFE).rstrip("=")
    try:
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise AudioError("the audio is not base64") from None


_URL_SAFE = str.maketrans("-_", "+/")


def _too_large(limits: FetchLimits) -> AudioError:
    return AudioError(f"the audio is larger than {limits.max_bytes} bytes")


class _Fetch:
    """One download, with its redirects."""

    def __init__(
        self, limits: FetchLimits, is_public: Callable[[Address], bool], resolve: Resolve
    ) -> None:
        self._limits = limits
        self._is_public = is_public
        self._resolve = resolve

    async def run(self, text: str) -> bytes:
        # No proxies and no .netrc of the environment: they would connect in our place.
        async with httpx.AsyncClient(trust_env=False, timeout=self._limits.timeout_s) as client:
            url = _parsed(text)
            for _ in range(self._limits.max_redirects + 1):
                answer = await self._one(client, url)
                if isinstance(answer, bytes):
                    return answer
                url = answer
        raise AudioError(f"the audio URL redirects more than {self._limits.max_redirects} times")

    async def _one(self, client: httpx.AsyncClient, url: httpx.URL) -> bytes | httpx.URL:
        address = await self._checked_address(url)
        request = client.build_request(
            "GET",
            url.copy_with(host=str(address)),
            headers={
                "Host": url.netloc.decode("ascii"),
                "Accept": "audio/*, */*;q=0.5",
                "Accept-Encoding": "identity",  # no compression, no decompression bombs
            },
            extensions={"sni_hostname": url.host},  # the certificate must be for this name
        )
        try:
            answer = await client.send(request, stream=True)
            try:
                return await self._read(answer, url)
            finally:
                await answer.aclose()
        except (httpx.HTTPError, httpx.InvalidURL) as error:  # the latter: a bad redirect
            what = type(error).__name__
            raise AudioError(f"the audio URL can't be fetched: {what}") from error

    async def _checked_address(self, url: httpx.URL) -> Address:
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            addresses = await self._resolve(url.raw_host.decode("ascii"), port)
        except (OSError, UnicodeError):
            addresses = ()
        if not addresses or not all(map(self._is_public, addresses)):
            # One answer for both: the caller must not learn which names our own network knows.
            raise AudioError(
                "the audio URL's host is not known, or not on the public internet",
                hint="send the audio itself, as input_audio or a data: URL",
            )
        return addresses[0]

    async def _read(self, answer: httpx.Response, url: httpx.URL) -> bytes | httpx.URL:
        if answer.status_code in _REDIRECTS and "location" in answer.headers:
            return _parsed(answer.headers["location"], url)
        if answer.status_code != 200:
            raise AudioError(f"the audio URL answered {answer.status_code}, not 200")
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise AudioError("the audio URL answered with packed data, which was not asked for")
        data = bytearray()
        async for piece in answer.aiter_raw():
            data += piece
            if len(data) > self._limits.max_bytes:
                raise _too_large(self._limits)
        return bytes(data)


def _parsed(text: str, base: httpx.URL | None = None) -> httpx.URL:
    try:
        url = httpx.URL(text) if base is None else base.join(text)
        url.copy_with(host="localhost")  # as the client will resolve the address
        in_range = url.port is None or 0 < url.port < 65_536
    except (httpx.InvalidURL, ValueError) as error:
        raise AudioError("the audio URL is not a URL") from error
    if not in_range:
        raise AudioError("the audio URL's port is none")
    if url.scheme not in ("http", "https") or not url.host:
        raise AudioError("an audio URL begins with https:, http: or data:")
    if url.userinfo:
        raise AudioError("an audio URL with a user name or password is not fetched")
    return url
