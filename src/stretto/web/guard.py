"""Check each request before the application sees it, and add security headers to each answer.

Host and Origin are checked because a web page from anywhere can make a local browser send requests to the
loopback interface. With DNS rebinding it could even read the answers. If a token is set, every path but
``/healthz`` requires it.

The token is never read from the address, because addresses end up in histories, logs and shared links. A
browser sends it by HTTP Basic authentication (RFC 7617): any user name, the token as password. The browser
asks once and keeps it for this origin and port. A cookie would be sent to other ports too.
"""

from __future__ import annotations

import binascii
import hmac
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stretto.web import responses
from stretto.web.body_bounds import BodyBounds, explain_limit

HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not no-referrer: a browser then names no origin with a form of our pages, and the form would be refused.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of every answer that does not set them itself."""

OPEN = frozenset({"/healthz"})
"""Paths that need no token: a process monitor need not be trusted with the figures."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_AUTHORITY = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")
_PORTS = {"http": "80", "https": "443"}
AUTHORIZATION_HINT = (
    "send 'Authorization: Bearer <token>'; in a browser give any user name and the token as password"
)
_CHALLENGES = ('Bearer realm="stretto"', 'Basic realm="stretto", charset="UTF-8"')


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reason a request is refused."""

    status: int
    problem: str
    hint: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class Guard:
    """ASGI middleware around the application.

    ``limits`` are the most bytes of a body by path, ``limit`` those of every other path. Bodies sent to the
    paths in ``compressed`` may be compressed; the route itself limits the decompressed size. ``bounds`` are
    those of all bodies together. With an ``input_refusal`` only reading requests are answered: those that
    read by their method, and all to the paths in ``reading``. It answers the others.
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
        bounds: BodyBounds | None = None,
        input_refusal: Refusal | None = None,
        reading: Collection[str] = (),
    ) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._token = token.encode() if token else None
        self._limits = limits
        self._limit = limit
        self._compressed = compressed
        self._bounds = bounds or BodyBounds()
        self._input_refusal = input_refusal
        self._reading = reading

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or pass it on with its body limited."""
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
            async with self._bounds.bound_body(receive, limit) as receive_bounded:
                await self._app(scope, receive_bounded, answer)
            return
        await build_refusal(scope["path"], refusal)(scope, receive, answer)

    def _find_refusal(self, scope: Scope, headers: Headers, limit: int) -> Refusal | None:
        path = scope["path"]
        return (
            self._refuse_wrong_host(headers)
            or _refuse_foreign_origin(scope["method"], headers)
            or self._refuse_without_token(path, headers)
            or self._refuse_input(scope["method"], path)
            or (None if path in self._compressed else _refuse_encoding(headers))
            or _refuse_large_body(headers, limit)
        )

    def _refuse_wrong_host(self, headers: Headers) -> Refusal | None:
        hosts = headers.getlist("host")
        authority = _AUTHORITY.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if authority is None:
            return Refusal(400, "the request needs one Host header that names a host")
        name = authority["name"].strip("[]").lower()
        if name == "localhost" or name in self._hosts:
            return None
        address = _parse_address(name)
        # DNS rebinding needs a name, so with a token any address is accepted as this machine's.
        if address is not None and (address.is_loopback or self._token):
            return None
        return Refusal(
            421,
            "this host name is not one that Stretto answers to",
            "use 127.0.0.1 or localhost, or allow the name in the configuration",
        )

    def _refuse_input(self, method: str, path: str) -> Refusal | None:
        return None if method in _SAFE or path in self._reading else self._input_refusal

    def _refuse_without_token(self, path: str, headers: Headers) -> Refusal | None:
        if self._token is None or path in OPEN:
            return None
        credential = parse_credential(headers.get("authorization", ""))
        if credential is not None and hmac.compare_digest(credential, self._token):
            return None
        return Refusal(
            401,
            "a token is needed" if credential is None else "the token is wrong",
            AUTHORIZATION_HINT,
        )


def build_refusal(path: str, refusal: Refusal) -> Response:
    """Return the answer to a refused request; one that lacks its token names both ways to send it."""
    response = responses.build_error(path, refusal.status, refusal.problem, refusal.hint, refusal.headers)
    if refusal.status == 401:  # noqa: PLR2004  # 401 must offer both authentication schemes
        for challenge in _CHALLENGES:
            response.headers.append("WWW-Authenticate", challenge)
    return response


def _refuse_foreign_origin(method: str, headers: Headers) -> Refusal | None:
    origin = headers.get("origin")
    if method in _SAFE or origin is None:
        return None
    scheme, _, authority = origin.lower().partition("://")
    # Both get the origin's scheme: behind a proxy that ends TLS the service sees plain HTTP.
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
        "compressed bodies are not accepted",
        "send the body uncompressed",
        {"Accept-Encoding": "identity"},
    )


def _refuse_large_body(headers: Headers, limit: int) -> Refusal | None:
    announced = headers.get("content-length", "0")
    if not (announced.isascii() and announced.isdigit()):
        return Refusal(400, "Content-Length is not a number")
    # The digits are counted first: a number of a million digits takes long to parse.
    if len(announced) > len(str(limit)) + 1 or int(announced) > limit:
        return Refusal(413, explain_limit(limit))
    return None


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
    match = _AUTHORITY.fullmatch(authority)
    return None if match is None else (match["name"], match["port"] or _PORTS[scheme])


def parse_credential(authorization: str) -> bytes | None:
    """Return the token of a Bearer (RFC 6750) or the password of a Basic credential, or None."""
    scheme, _, rest = authorization.strip().partition(" ")
    credential = rest.strip().encode("latin-1")  # headers are decoded as latin-1
    if scheme.lower() == "bearer" and credential:
        return credential
    if scheme.lower() != "basic":
        return None
    try:
        return binascii.a2b_base64(credential, strict_mode=True).partition(b":")[2]
    except binascii.Error:
        return None
