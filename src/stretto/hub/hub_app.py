"""The hub over HTTP: machines ship sessions, and each reader sees the pages of the scope of his token.

``POST /v1/sessions`` and ``POST /v1/forget`` are for machines, ``/v1/experiments`` is for leads. Every other
path is answered by the application of a single machine's service, over the store of the token's scope: the
owner's own machines, or the released days of the team.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from contextlib import AsyncExitStack

import msgspec
from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Message, Receive, Scope, Send

from stretto.clock import DAY, Clock
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
from stretto.fleet.team_experiment_messages import EXPERIMENTS_PATH, WITHDRAW_PATH
from stretto.hub.access_tokens import AccessToken, TokenRole, hash_token
from stretto.hub.answer_experiment_orders import (
    define_experiment_of_lead,
    list_entries,
    withdraw_experiment_of_lead,
)
from stretto.hub.conclude_due_experiments import conclude_due_experiments
from stretto.hub.engine import DAYS_KEPT, FleetScope
from stretto.hub.engine_opening import HubDatabase
from stretto.hub.open_scopes import OpenScopes
from stretto.hub.receive_sessions import BusyError, MalformedRequestError, SessionReceiver
from stretto.hub.release_due_days import release_due_days
from stretto.hub.team_experiment import ExperimentError
from stretto.hub.thread_limit import ThreadLimit
from stretto.web import responses
from stretto.web.guard import AUTHORIZATION_HINT, Guard, Refusal, build_refusal, parse_credential
from stretto.web.live_updates import MEDIA

MOST_TOKENS = 320
"""Tokens that are known without a look at the database."""

MACHINE_THREADS = 16
"""Threads that answer machines at once, and say whether the hub is ready: no page keeps them waiting."""

PAGES_AT_ONCE = 8
"""Pages that are made at once. More would share the same processors, and leave machines less of them."""

TOKEN_SECONDS = 30.0
"""How long a token is known without a look at the database: so long a revoked one may still work."""

RETRY_SECONDS = 10

_Answer = Callable[[AccessToken, bytes, Request], Response]
"""Answers the body of a request, in a thread."""

_NO_TOKEN = Refusal(401, "a valid token is needed", AUTHORIZATION_HINT)

_MACHINE_LIMIT = ThreadLimit("threads for machines of a hub", MACHINE_THREADS)

_PAGE_LIMIT = ThreadLimit("threads that look up readers of a hub", PAGES_AT_ONCE)

_PAGE_TURNS = ThreadLimit("pages that a hub makes at once", PAGES_AT_ONCE)
"""Pages are made in Starlette's threads, of which machines use none."""

LOG = logging.getLogger(__name__)


class HubApp:
    """The application. It keeps nothing that the database does not have; its parts are the caller's."""

    def __init__(
        self,
        database: HubDatabase,
        scopes: OpenScopes,
        *,
        clock: Clock,
        hosts: frozenset[str] = frozenset(),
        is_behind_proxy: bool = False,
    ) -> None:
        self._database = database
        self._clock = clock
        self._is_behind_proxy = is_behind_proxy
        self.receiver = SessionReceiver(database)
        self.scopes = scopes
        self._cleaned_on: int | None = None
        """Number of the UTC day on which old days were deleted."""
        self._known: dict[str, tuple[float, AccessToken | None]] = {}
        routes = Starlette(
            routes=[
                Route("/healthz", _answer_alive),
                Route("/readyz", self._answer_ready),
                Route(SESSIONS_PATH, self._receive_sessions, methods=["POST"]),
                Route(FORGET_PATH, self._forget_sessions, methods=["POST"]),
                Route(EXPERIMENTS_PATH, self._answer_lead, methods=["GET", "POST"]),
                Route(WITHDRAW_PATH, self._answer_lead, methods=["POST"]),
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

    def release_days(self) -> int:
        """Release the days that are due, of all tenants; return how many. Raises EngineError.

        A tenant whose days cannot be released is logged, and holds up no other.
        """
        return self._act_on_tenants(release_due_days, "the days of %s cannot be released")

    def conclude_experiments(self) -> int:
        """Conclude the experiments that are over, of all tenants; return how many changed.

        A tenant whose experiments cannot be concluded is logged, and holds up no other. Raises EngineError.
        """
        return self._act_on_tenants(conclude_due_experiments, "the experiments of %s cannot be concluded")

    def _act_on_tenants(self, act: Callable[[HubDatabase, str, Clock], int], failure: str) -> int:
        count = 0
        for tenant in self._database.list_tenants():
            try:
                count += act(self._database, tenant, self._clock)
            except Exception:
                LOG.exception(failure, tenant)
        return count

    def delete_old_days(self) -> None:
        """Delete what is past its retention, unless that was done today. Raises EngineError."""
        today = self._clock() // DAY
        if today != self._cleaned_on:
            self._database.delete_before(today - DAYS_KEPT)
            self._cleaned_on = today

    async def _answer_ready(self, _: Request) -> Response:
        await to_thread.run_sync(self._database.list_tenants, limiter=_MACHINE_LIMIT.get_limiter())
        return PlainTextResponse("ready\n")

    async def _receive_sessions(self, request: Request) -> Response:
        return await self._answer_machine(request, self._store_sessions)

    async def _forget_sessions(self, request: Request) -> Response:
        return await self._answer_machine(request, self._forget)

    async def _answer_machine(self, request: Request, answer: _Answer) -> Response:
        refusal = ("a token of an administrator ships nothing", "use the machine's own")
        limiter = _MACHINE_LIMIT.get_limiter()
        return await self._handle(request, answer, {TokenRole.ME, TokenRole.LEAD}, refusal, limiter)

    async def _answer_lead(self, request: Request) -> Response:
        refusal = ("experiments of a team are its leads'", "ask with a token of a lead")
        limiter = _PAGE_LIMIT.get_limiter()
        return await self._handle(request, self._answer_experiments, {TokenRole.LEAD}, refusal, limiter)

    async def _handle(
        self,
        request: Request,
        answer: _Answer,
        roles: AbstractSet[TokenRole],
        refusal: tuple[str, str],
        limiter: CapacityLimiter,
    ) -> Response:
        """Answer a request in a thread. ``refusal`` says it to other roles, and what to do."""
        token = await to_thread.run_sync(self._find_token, request, limiter=limiter)
        if token is None:
            return build_refusal(request.url.path, _NO_TOKEN)
        if token.role not in roles:
            return responses.build_error(request.url.path, 403, *refusal)
        body = await request.body()
        return await to_thread.run_sync(answer, token, body, request, limiter=limiter)

    def _store_sessions(self, token: AccessToken, body: bytes, request: Request) -> Response:
        encoding = request.headers.get("content-encoding", "").lower()
        answer = self.receiver.receive_request(body, encoding, token, self._clock())
        return Response(encode_message(answer), media_type="application/json")

    def _forget(self, token: AccessToken, body: bytes, request: Request) -> Response:
        """Forget sessions of the owner, never those of others."""
        try:
            order = decode_forget_order(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
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
            release_due_days(self._database, token.tenant, self._clock, forgotten_at=now)
        return Response(encode_message(ForgetAnswer(count)), media_type="application/json")

    def _answer_experiments(self, token: AccessToken, body: bytes, request: Request) -> Response:
        if request.url.path == WITHDRAW_PATH:
            content = encode_message(withdraw_experiment_of_lead(self._database, token, body, self._clock))
        elif request.method == "POST":
            content = encode_message(define_experiment_of_lead(self._database, token, body, self._clock))
        else:
            content = encode_message(list_entries(self._database, token))
        return Response(content, media_type="application/json")

    async def _answer_reader(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        token = await to_thread.run_sync(self._find_token, request, limiter=_PAGE_LIMIT.get_limiter())
        if token is None:
            await build_refusal(request.url.path, _NO_TOKEN)(scope, receive, send)
            return
        if token.role is TokenRole.ADMIN:
            refusal = responses.build_error(
                request.url.path, 403, "an administrator sees no figures", "ask with a token of a lead"
            )
            await refusal(scope, receive, send)
            return
        async with AsyncExitStack() as use, AsyncExitStack() as turn:
            app = await use.enter_async_context(self.scopes.use_app(token))
            await turn.enter_async_context(_PAGE_TURNS.get_limiter())

            async def send_on(message: Message) -> None:
                if message["type"] == "http.response.start":
                    # The page is made: whoever reads it slowly keeps nobody waiting.
                    await turn.aclose()
                    # A stream lasts as long as a page is open, and reads nothing of the store.
                    if _is_stream(message):
                        await use.aclose()
                await send(message)

            await app({**scope, "root_path": ""}, receive, send_on)

    def _find_token(self, request: Request) -> AccessToken | None:
        """Return the valid token of a request, or None."""
        credential = parse_credential(request.headers.get("authorization", ""))
        if not credential:
            return None
        hash = hash_token(credential.decode(errors="replace"))
        known = self._known.get(hash)
        if known is None or time.monotonic() - known[0] > TOKEN_SECONDS:
            if len(self._known) > MOST_TOKENS:
                self._known.clear()
            known = self._known[hash] = time.monotonic(), self._database.find_token(hash)
        token = known[1]
        return None if token is None or token.revoked is not None else token


def _is_stream(message: Message) -> bool:
    """Return whether the start of a response announces a stream of events."""
    return Headers(raw=message["headers"]).get("content-type", "").startswith(MEDIA)


async def _answer_alive(_: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _answer_error(request: Request, error: Exception) -> Response:
    """Answer what is to be tried again with 429 or 503, and what is malformed with 400."""
    if not isinstance(error, StrettoError):
        raise error
    status = 503
    if isinstance(error, BusyError):
        status = 429
    elif isinstance(error, MalformedRequestError | ExperimentError):
        status = 400
    if isinstance(error, EngineError):
        LOG.warning("%s", error.to_line())
    headers = {} if status == 400 else {"Retry-After": str(RETRY_SECONDS)}  # noqa: PLR2004  # as above
    # The cause may name the database's address, which is no matter of those who ask.
    return responses.build_error(request.url.path, status, error.attempt, error.hint, headers)
