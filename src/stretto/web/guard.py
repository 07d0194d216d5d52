"""Guard: what a request must show before anything else looks at it, and what every answer carries.

Host and Origin are checked because a browser is on this machine too: a page from anywhere can send requests
to the loopback interface, and with DNS rebinding read the answers. A token, where one is set, is asked of
everything but ``/healthz``.

The token is never taken from the address: addresses stay in histories, logs and links that are passed on. A
browser gets in by HTTP's own Basic scheme (RFC 7617), with any user name and the token as password: it asks
once, keeps it for this origin alone, port included, and needs no cookie, which other ports would be sent too.
"""

from __future__ import annotations

import binascii
import hmac
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stretto.web import responses

HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Carried by every answer that does not say otherwise itself."""

OPEN = frozenset({"/healthz"})
"""Paths that need no token: whoever watches the process need not be trusted with its figures."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_AUTHORITY = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")
_PORTS = {"http": "80", "https": "443"}
_CHALLENGES = ('Bearer realm="stretto"', 'Basic realm="stretto", charset="UTF-8"')


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request goes no further."""

    status: int
    what: str
    hint: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class Guard:
    """ASGI middleware around the whole application.

    ``limits`` are the most bytes of a body by path, ``limit`` those of every other path. At the paths in
    ``compressed`` a body may come compressed: whoever takes it there bounds what it becomes.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Iterable[str],
        token: str | None,
        limits: Mapping[str, int],
        limit: int,
        compressed: Collection[str] = (),
    ) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._token = token.encode() if token else None
        self._limits = limits
        self._limit = limit
        self._compressed = compressed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or pass it on with its body bounded."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        answer = _add_headers(send)
        limit = self._limits.get(scope["path"], self._limit)
        refusal = self._find_refusal(scope, Headers(scope=scope), limit)
        if refusal is None:
            await self._app(scope, _bound_body(receive, limit), answer)
            return
        response = responses.build_error(
            scope["path"], refusal.status, refusal.what, refusal.hint, refusal.headers
        )
        if refusal.status == 401:  # noqa: PLR2004  # the one status that must say how to do better, twice
            for challenge in _CHALLENGES:
                response.headers.append("WWW-Authenticate", challenge)
        await response(scope, receive, answer)

    def _find_refusal(self, scope: Scope, headers: Headers, limit: int) -> Refusal | None:
        path = scope["path"]
        return (
            self._refuse_wrong_host(headers)
            or _refuse_foreign_origin(scope["method"], headers)
            or self._refuse_without_token(path, headers)
            or (None if path in self._compressed else _refuse_encoding(headers))
            or _refuse_large_body(headers, limit)
        )

    def _refuse_wrong_host(self, headers: Headers) -> Refusal | None:
        named = headers.getlist("host")
        found = _AUTHORITY.fullmatch(named[0]) if len(named) == 1 else None
        if found is None:
            return Refusal(400, "the request needs one Host header that names a host")
        name = found["name"].strip("[]").lower()
        if name == "localhost" or name in self._hosts:
            return None
        address = _parse_address(name)
        # Rebinding needs a name, so behind a token any address may be this machine's.
        if address is not None and (address.is_loopback or self._token):
            return None
        return Refusal(
            421,
            "this host name is not one that Stretto answers to",
            "use 127.0.0.1 or localhost, or allow the name in the configuration",
        )

    def _refuse_without_token(self, path: str, headers: Headers) -> Refusal | None:
        if self._token is None or path in OPEN:
            return None
        given = _parse_credential(headers.get("authorization", ""))
        if given is not None and hmac.compare_digest(given, self._token):
            return None
        return Refusal(
            401,
            "a token is needed" if given is None else "the token is wrong",
            "send 'Authorization: Bearer <token>'; in a browser give any user name and the token as password",
        )


def _refuse_foreign_origin(method: str, headers: Headers) -> Refusal | None:
    origin = headers.get("origin")
    if method in _SAFE or origin is None:
        return None
    scheme, _, authority = origin.lower().partition("://")
    # The scheme is the origin's for both: behind a proxy that ends TLS the service sees plain HTTP.
    if scheme in _PORTS and _split_authority(authority, scheme) == _split_authority(
        headers["host"].lower(), scheme
    ):
        return None
    return Refusal(403, "pages of another origin may not send anything here")


def _refuse_encoding(headers: Headers) -> Refusal | None:
    if headers.get("content-encoding", "identity").strip().lower() in ("", "identity"):
        return None
    return Refusal(
        415,
        "compressed bodies are not taken",
        "send the body as it is",
        {"Accept-Encoding": "identity"},
    )


def _refuse_large_body(headers: Headers, limit: int) -> Refusal | None:
    announced = headers.get("content-length", "0")
    if not (announced.isascii() and announced.isdigit()):
        return Refusal(400, "Content-Length is no number")
    # By length first: a number of a million digits takes long to read.
    if len(announced) > len(str(limit)) + 1 or int(announced) > limit:
        return Refusal(413, _explain_limit(limit))
    return None


def _explain_limit(limit: int) -> str:
    return f"the body is too large: at most {limit} bytes are taken here"


def _bound_body(receive: Receive, limit: int) -> Receive:
    """Return a receive that counts what really comes: a chunked body announces nothing."""
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > limit:
                raise HTTPException(413, _explain_limit(limit))
        return message

    return bounded


def _add_headers(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return with_headers


def _parse_address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None


def _split_authority(authority: str, scheme: str) -> tuple[str, str] | None:
    found = _AUTHORITY.fullmatch(authority)
    return None if found is None else (found["name"], found["port"] or _PORTS[scheme])


def _parse_credential(authorization: str) -> bytes | None:
    """Return the token of a Bearer (RFC 6750) or the password of a Basic credential, or None."""
    scheme, _, rest = authorization.strip().partition(" ")
    given = rest.strip().encode("latin-1")  # as the header's bytes were read
    if scheme.lower() == "bearer" and given:
        return given
    if scheme.lower() != "basic":
        return None
    try:
        return binascii.a2b_base64(given, strict_mode=True).partition(b":")[2]
    except binascii.Error:
        return None
