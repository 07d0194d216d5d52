"""The stores of the scopes that were read lately: each is filled once at a time and closed when unused.

A first fill may take minutes. It holds one of the threads for readers and no lock that another scope needs;
who asks for the same scope meanwhile waits without a thread.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from shutil import rmtree

import anyio
from anyio import CancelScope, to_thread
from starlette.types import ASGIApp

from stretto.clock import Clock
from stretto.config.configuration import Config
from stretto.errors import StoreError
from stretto.hub.access_tokens import ALL_TEAMS, AccessToken, TokenRole
from stretto.hub.engine_opening import HubDatabase
from stretto.hub.scope_service import ScopeService, make_lead_service, make_owner_service
from stretto.hub.thread_limit import ThreadLimit
from stretto.store.database_schema import VERSION
from stretto.web.app import create_app

MOST_SCOPES = 32
"""Stores of scopes that stay open; those read least recently are closed, and their files stay."""

READER_THREADS = 8
"""Threads that fill and refresh stores at once."""

WAIT_SECONDS = 0.05
"""Pause between two looks at whether another request has filled or closed the store."""

_READER_LIMIT = ThreadLimit("threads for readers of a hub", READER_THREADS)

ScopeKey = tuple[str, ...]
"""(tenant, "owner", team, owner) or (tenant, "team", team)."""


class _OpenScope:
    """A store in use by requests. All but ``filling`` is guarded by the lock of the open scopes."""

    def __init__(self, key: ScopeKey) -> None:
        self.key = key
        self.users = 0
        self.is_closing = False
        self.filling = threading.Lock()
        """Held by the request that fills or refreshes the store."""
        self.service: ScopeService | None = None
        self.app: ASGIApp | None = None
        """None before the first refresh."""

    @property
    def is_damaged(self) -> bool:
        """Whether the store is to be made again."""
        return self.service is not None and self.service.is_damaged


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
        self._open: OrderedDict[ScopeKey, _OpenScope] = OrderedDict()
        self._analysis_turn = threading.Semaphore()
        """One process of analyses at once, whatever the number of scopes."""

    @asynccontextmanager
    async def use_app(self, token: AccessToken) -> AsyncIterator[ASGIApp]:
        """Provide the application of a token's scope, its store up to date and open until the block ends.

        Raises EngineError, StoreError.
        """
        key = make_key(token)
        while (scope := self._enter(key)) is None:  # noqa: ASYNC110  # other threads end the wait
            await anyio.sleep(WAIT_SECONDS)
        try:
            yield await self._prepare_app(scope, token)
        finally:
            if surplus := self._leave(scope):
                # Otherwise a client that hangs up would leave them half closed.
                with CancelScope(shield=True):
                    await to_thread.run_sync(self._close_scopes, surplus)

    def list_services(self) -> list[ScopeService]:
        """Return the open services, the least recently read first."""
        with self._lock:
            return [scope.service for scope in self._open.values() if scope.service is not None]

    def close(self) -> None:
        """Close every store, whoever uses it."""
        with self._lock:
            scopes = [scope for scope in self._open.values() if not scope.is_closing]
            for scope in scopes:
                scope.is_closing = True
        self._close_scopes(scopes)

    def _enter(self, key: ScopeKey) -> _OpenScope | None:
        """Count one more user of a scope; None while its store is to be closed first."""
        with self._lock:
            scope = self._open.setdefault(key, _OpenScope(key))
            if scope.is_closing or scope.is_damaged:
                return None
            self._open.move_to_end(key)
            scope.users += 1
            return scope

    def _leave(self, scope: _OpenScope) -> list[_OpenScope]:
        """Count one user less; return the unused scopes that are to be closed now."""
        with self._lock:
            scope.users -= 1
            staying = [each for each in self._open.values() if not each.is_closing]
            surplus = [each for each in staying if not each.users and (each.app is None or each.is_damaged)]
            idle = [each for each in staying if not each.users and each not in surplus]
            surplus += idle[: max(0, len(staying) - len(surplus) - MOST_SCOPES)]
            for each in surplus:
                each.is_closing = True
            return surplus

    async def _prepare_app(self, scope: _OpenScope, token: AccessToken) -> ASGIApp:
        while not scope.filling.acquire(blocking=False):
            # Another request brings it up to date just now: the store as it was is good enough.
            if scope.app is not None:
                return scope.app
            await anyio.sleep(WAIT_SECONDS)
        try:
            return await to_thread.run_sync(self._refresh, scope, token, limiter=_READER_LIMIT.get_limiter())
        finally:
            scope.filling.release()

    def _refresh(self, scope: _OpenScope, token: AccessToken) -> ASGIApp:
        """Bring the store up to date; one that cannot be used is made again if nobody else reads it."""
        try:
            return self._open_and_refresh(scope, token)
        except StoreError:
            with self._lock:
                is_read = scope.users > 1 and scope.app is not None
                if scope.service is not None and (is_read or not scope.is_damaged):
                    # Once the last of its readers has left, a damaged store is deleted.
                    raise
                service, scope.service, scope.app = scope.service, None, None
            if service is not None:
                service.close()
            rmtree(self._name_folder(scope.key), ignore_errors=True)
            return self._open_and_refresh(scope, token)

    def _open_and_refresh(self, scope: _OpenScope, token: AccessToken) -> ASGIApp:
        if scope.service is None:
            scope.service = self._make_service(scope.key, token)
        scope.service.refresh()
        if scope.app is None:
            scope.app = create_app(scope.service.make_backend(self._hosts))
        return scope.app

    def _close_scopes(self, scopes: list[_OpenScope]) -> None:
        for scope in scopes:
            service = scope.service
            try:
                if service is not None:
                    service.close()
                    if service.is_damaged:
                        rmtree(self._name_folder(scope.key), ignore_errors=True)
            finally:
                with self._lock:
                    del self._open[scope.key]

    def _name_folder(self, key: ScopeKey) -> Path:
        # Names come from people, so they are no names of files. A program with another schema fills another.
        return self._folder / sha256("\0".join((str(VERSION), *key)).encode()).hexdigest()[:24]

    def _make_service(self, key: ScopeKey, token: AccessToken) -> ScopeService:
        if token.role is TokenRole.ME:
            return make_owner_service(
                self._config,
                self._name_folder(key),
                self._database,
                token.tenant,
                team=token.team,
                owner=token.owner,
                clock=self._clock,
                version=self._version,
                analysis_turn=self._analysis_turn,
            )
        return make_lead_service(
            self._config,
            self._name_folder(key),
            self._database,
            token.tenant,
            None if token.team == ALL_TEAMS else token.team,
            clock=self._clock,
            version=self._version,
            analysis_turn=self._analysis_turn,
        )


def make_key(token: AccessToken) -> ScopeKey:
    """Return the key of the scope that a token reads."""
    if token.role is TokenRole.ME:
        return token.tenant, "owner", token.team, token.owner
    return token.tenant, "team", token.team
