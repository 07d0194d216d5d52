"""The hub over HTTP: machines ship sessions, and each reader sees the pages of the scope of his token.

``POST /v1/sessions`` and ``POST /v1/forget`` are for machines. Every other path is answered by the
application of a single machine's service, over the store of the token's scope: the owner's own machines, or
the released days of the team.
"""

from __future__ import annotations

import binascii
import logging
import threading
import time
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from stretto.clock import Clock
from stretto.config.configuration import Config
from stretto.errors import EngineError, StrettoError
from stretto.fleet.hub_exchange import (
    FORGET_PATH,
    MOST_DOCUMENTS,
    MOST_REQUEST_BYTES,
    SESSIONS_PATH,
    ForgetAnswer,
    decode_forget_order,
    encode_message,
)
from stretto.hub.access_tokens import AccessToken, TokenRole, hash_token
from stretto.hub.day_releases import release_due_days
from stretto.hub.engine import FleetScope
from stretto.hub.engine_opening import HubDatabase
from stretto.hub.receive_sessions import BusyError, MalformedRequestError, SessionReceiver
from stretto.hub.scope_service import ScopeService, make_lead_service, make_owner_service
from stretto.web import responses
from stretto.web.app import create_app
from stretto.web.guard import Guard

ALL_TEAMS = "*"
"""The team of a token whose bearer leads the whole tenant."""

MOST_SCOPES = 32
"""Stores of scopes that are open at once; those read least recently are closed, and their files stay."""

TOKEN_SECONDS = 30.0
"""How long a token is known without a look at the database: so long a revoked one may still work."""

RETRY_SECONDS = 10

LOG = logging.getLogger(__name__)


class OpenScopes:
    """The services of the scopes that were read lately. Several threads may call it at once."""

    def __init__(
        self,
        config: Config,
        folder: Path,
        database: HubDatabase,
        *,
        clock: Clock,
        version: str,
        hosts: frozenset[str],
    ) -> None:
        self._config = config
        self._folder = folder
        self._database = database
        self._clock = clock
        self._version = version
        self._hosts = hosts
        self._lock = threading.Lock()
        self._open: OrderedDict[tuple[str, ...], tuple[ScopeService, ASGIApp]] = OrderedDict()

    def get_app(self, token: AccessToken) -> ASGIApp:
        """Return the application of a token's scope, its store up to date. Raises EngineError, StoreError."""
        key = (
            (token.tenant, "owner", token.team, token.owner)
            if token.role is TokenRole.ME
            else (token.tenant, "team", token.team)
        )
        with self._lock:
            entry = self._open.get(key)
            if entry is None:
                service = self._make_service(key, token)
                entry = self._open[key] = service, create_app(service.make_backend(self._hosts))
            self._open.move_to_end(key)
            surplus = [self._open.popitem(last=False)[1] for _ in range(len(self._open) - MOST_SCOPES)]
        for service, _ in surplus:
            service.close()
        service, app = entry
        service.refresh()
        return app

    def _make_service(self, key: tuple[str, ...], token: AccessToken) -> ScopeService:
        # Names come from people, so they are no names of files.
        folder = self._folder / sha256("\0".join(key).encode()).hexdigest()[:24]
        if token.role is TokenRole.ME:
            return make_owner_service(
                self._config,
                folder,
                self._database,
                token.tenant,
                team=token.team,
                owner=token.owner,
                clock=self._clock,
                version=self._version,
            )
        return make_lead_service(
            self._config,
            folder,
            self._database,
            token.tenant,
            None if token.team == ALL_TEAMS else token.team,
            clock=self._clock,
            version=self._version,
        )

    def list_services(self) -> list[ScopeService]:
        """Return the open services, the least recently read first."""
        with self._lock:
            return [service for service, _ in self._open.values()]

    def close(self) -> None:
        """Close every store."""
        with self._lock:
            for service, _ in self._open.values():
                service.close()
            self._open.clear()


class HubApp:
    """The application. It keeps nothing that the database does not have."""

    def __init__(
        self,
        config: Config,
        folder: Path,
        database: HubDatabase,
        *,
        clock: Clock,
        version: str,
        hosts: frozenset[str] = frozenset(),
        is_behind_proxy: bool = False,
    ) -> None:
        self._database = database
        self._clock = clock
        self._is_behind_proxy = is_behind_proxy
        self.receiver = SessionReceiver(database)
        self.scopes = OpenScopes(config, folder, database, clock=clock, version=version, hosts=hosts)
        self._known: dict[str, tuple[float, AccessToken | None]] = {}
        routes = Starlette(
            routes=[
                Route("/healthz", _answer_alive),
                Route("/readyz", self._answer_ready),
                Route(SESSIONS_PATH, self._receive_sessions, methods=["POST"]),
                Route(FORGET_PATH, self._forget_sessions, methods=["POST"]),
                Mount("/", self._answer_reader),
            ],
            exception_handlers={StrettoError: _answer_error},
        )
        self._app = Guard(
            routes,
            hosts=hosts,
            token=None,
            limits={SESSIONS_PATH: MOST_REQUEST_BYTES},
            limit=MOST_REQUEST_BYTES,
            compressed={SESSIONS_PATH},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request. Behind a proxy, one that came without TLS is refused."""
        if scope["type"] == "http" and self._is_behind_proxy and scope["path"] not in {"/healthz", "/readyz"}:
            forwarded = dict(scope["headers"]).get(b"x-forwarded-proto", b"")
            if forwarded != b"https":
                refusal = responses.build_error(
                    scope["path"], 403, "the hub is asked by TLS only", "use the https address of its proxy"
                )
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def close(self) -> None:
        """Close the stores of the scopes; the database is the caller's."""
        self.scopes.close()

    def release_days(self) -> int:
        """Release the days that are due, of all tenants; return how many. Raises EngineError."""
        now = self._clock()
        return sum(release_due_days(self._database, tenant, now) for tenant in self._database.list_tenants())

    async def _answer_ready(self, _: Request) -> Response:
        await run_in_threadpool(self._database.list_tenants)
        return PlainTextResponse("ready\n")

    async def _receive_sessions(self, request: Request) -> Response:
        return await self._handle(request, self._store_sessions)

    async def _forget_sessions(self, request: Request) -> Response:
        return await self._handle(request, self._forget)

    async def _handle(
        self, request: Request, answer: Callable[[AccessToken, bytes, Request], Response]
    ) -> Response:
        token = await run_in_threadpool(self._find_token, request)
        if token is None:
            return _refuse_token(request.url.path)
        if token.role is TokenRole.ADMIN:
            return responses.build_error(
                request.url.path, 403, "a token of an administrator ships nothing", "use the machine's own"
            )
        body = await request.body()
        return await run_in_threadpool(answer, token, body, request)

    def _store_sessions(self, token: AccessToken, body: bytes, request: Request) -> Response:
        encoding = request.headers.get("content-encoding", "").lower()
        answer = self.receiver.receive_request(body, encoding, token, self._clock())
        return Response(encode_message(answer), media_type="application/json")

    def _forget(self, token: AccessToken, body: bytes, request: Request) -> Response:
        """Forget sessions of the owner, never those of others."""
        try:
            order = decode_forget_order(body)
        except msgspec.DecodeError as error:
            return responses.build_error(request.url.path, 400, f"not an order to forget: {error}", "")
        if len(order.sessions) > MOST_DOCUMENTS:
            return responses.build_error(
                request.url.path,
                400,
                f"the order names {len(order.sessions)} sessions, more than {MOST_DOCUMENTS}",
                "send it in parts",
            )
        scope = FleetScope(tenant=token.tenant, owners=((token.team, token.owner),))
        now = self._clock()
        count = (
            self._database.forget_sessions(scope, sessions=order.sessions, at=now) if order.sessions else 0
        )
        if order.project is not None:
            count += self._database.forget_sessions(scope, project=order.project, at=now)
        if count:
            release_due_days(self._database, token.tenant, now, forgotten_at=now)
        return Response(encode_message(ForgetAnswer(count)), media_type="application/json")

    async def _answer_reader(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        app: ASGIApp
        token = await run_in_threadpool(self._find_token, request)
        if token is None:
            app = _refuse_token(request.url.path)
        elif token.role is TokenRole.ADMIN:
            app = responses.build_error(
                request.url.path, 403, "an administrator sees no figures", "ask with a token of a lead"
            )
        else:
            app = await run_in_threadpool(self.scopes.get_app, token)
        await app({**scope, "root_path": ""}, receive, send)

    def _find_token(self, request: Request) -> AccessToken | None:
        """Return the valid token of a request, or None."""
        text = _read_token(request.headers.get("authorization", ""))
        if text is None:
            return None
        hash = hash_token(text)
        known = self._known.get(hash)
        if known is None or time.monotonic() - known[0] > TOKEN_SECONDS:
            if len(self._known) > 10 * MOST_SCOPES:
                self._known.clear()
            known = self._known[hash] = time.monotonic(), self._database.find_token(hash)
        token = known[1]
        return None if token is None or token.revoked is not None else token


def _read_token(header: str) -> str | None:
    """Return the token of an Authorization header, as Bearer or as the password of any user."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip() or None
    if scheme.lower() != "basic":
        return None
    try:
        return b64decode(value, validate=True).decode().partition(":")[2] or None
    except (binascii.Error, UnicodeDecodeError):
        return None


async def _answer_alive(_: Request) -> Response:
    return PlainTextResponse("ok\n")


def _refuse_token(path: str) -> Response:
    response = responses.build_error(
        path,
        401,
        "a valid token is needed",
        "send 'Authorization: Bearer <token>'; in a browser give any user name and the token as password",
    )
    response.headers.append("WWW-Authenticate", 'Bearer realm="stretto"')
    response.headers.append("WWW-Authenticate", 'Basic realm="stretto", charset="UTF-8"')
    return response


async def _answer_error(request: Request, error: Exception) -> Response:
    """Answer what is to be tried again with 429 or 503, and what is malformed with 400."""
    if not isinstance(error, StrettoError):
        raise error
    status = 429 if isinstance(error, BusyError) else 400 if isinstance(error, MalformedRequestError) else 503
    if isinstance(error, EngineError):
        LOG.warning("%s", error.to_line())
    headers = {} if status == 400 else {"Retry-After": str(RETRY_SECONDS)}  # noqa: PLR2004  # as above
    # The cause may name the database's address, which is no matter of those who ask.
    return responses.build_error(request.url.path, status, error.attempt, error.hint, headers)
