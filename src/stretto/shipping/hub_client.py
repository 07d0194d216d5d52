"""Speak to a hub over HTTP: documents go there compressed, with the machine's token.

The token goes to the configured address alone: redirects are not followed, and it is sent without encryption
only to this machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec
import requests
from requests.auth import AuthBase

from stretto.errors import ConfigError, HubError
from stretto.fleet.hub_exchange import (
    FORGET_PATH,
    NDJSON,
    SESSIONS_PATH,
    ForgetRequestToHub,
    ShipAnswer,
    decode_forget_answer,
    decode_ship_answer,
    encode_message,
)
from stretto.fleet.team_experiment_messages import (
    EXPERIMENTS_PATH,
    WITHDRAW_PATH,
    ExperimentEntry,
    ExperimentList,
    ExperimentOrder,
    WithdrawalOrder,
    decode_experiment_entry,
    decode_experiment_list,
)

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

TIMEOUT_SECONDS = (5.0, 30.0)
"""To connect, and between two bytes of the answer."""

TRIED_AGAIN = "it is tried again; the store has the sessions"

_Answer = TypeVar("_Answer")

_JSON = {"Content-Type": "application/json"}

_HINTS: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "the token is unknown or revoked: ask the hub's administrator for another",
    HTTPStatus.FORBIDDEN: "the token may not do this",
    HTTPStatus.NOT_FOUND: "is this the address of a hub?",
}


class HubClient:
    """A connection to a hub that is kept open between requests."""

    def __init__(self, url: str, token: str) -> None:
        refuse_plain_http(url)
        self.url = url.rstrip("/")
        self._session = requests.Session()
        self._session.auth = _Bearer(token)

    def post_documents(self, body: bytes) -> ShipAnswer:
        """Send documents, a line of JSON each, compressed by gzip. Raises HubError."""
        headers = {"Content-Type": NDJSON, "Content-Encoding": "gzip"}
        answer = self._post(SESSIONS_PATH, body, headers, "the hub did not take finished sessions")
        with self._refusing_nonsense():
            return decode_ship_answer(answer)

    def forget_sessions(self, order: ForgetRequestToHub) -> int:
        """Let the hub delete sessions; return how many it had. Raises HubError."""
        answer = self._post(FORGET_PATH, encode_message(order), _JSON, "the hub did not forget")
        with self._refusing_nonsense():
            return decode_forget_answer(answer).forgotten

    def define_experiment(self, order: ExperimentOrder) -> ExperimentEntry:
        """Let the hub begin an experiment of the lead's team; return it. Raises HubError."""
        return self._ask_as_lead("POST", EXPERIMENTS_PATH, decode_experiment_entry, encode_message(order))

    def list_experiments(self) -> ExperimentList:
        """Return the experiments that a lead sees. Raises HubError."""
        return self._ask_as_lead("GET", EXPERIMENTS_PATH, decode_experiment_list)

    def withdraw_experiment(self, order: WithdrawalOrder) -> ExperimentEntry:
        """Let the hub take an experiment back; return it. Raises HubError."""
        return self._ask_as_lead("POST", WITHDRAW_PATH, decode_experiment_entry, encode_message(order))

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _ask_as_lead(
        self, method: str, path: str, decode: Callable[[bytes], _Answer], body: bytes = b""
    ) -> _Answer:
        answer = self._request(method, path, body, _JSON, "the hub did not answer about experiments")
        with self._refusing_nonsense():
            return decode(answer)

    def _post(self, path: str, body: bytes, headers: Mapping[str, str], attempt: str) -> bytes:
        return self._request("POST", path, body, headers, attempt, hint=TRIED_AGAIN)

    def _request(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], attempt: str, *, hint: str = ""
    ) -> bytes:
        try:
            answer = self._session.request(
                method,
                self.url + path,
                data=body,
                headers=headers,
                timeout=TIMEOUT_SECONDS,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise HubError(
                attempt,
                where=self.url,
                cause=_find_cause(error),
                hint=hint,
            ) from error
        if answer.status_code == HTTPStatus.OK:
            return answer.content
        raise HubError(
            attempt,
            where=self.url,
            cause=f"it answered {answer.status_code}: {answer.text[:200].strip()}",
            hint=_HINTS.get(answer.status_code, hint),
            status=answer.status_code,
            retry_after=parse_retry_after(answer.headers.get("Retry-After"), datetime.now(UTC)),
        )

    @contextmanager
    def _refusing_nonsense(self) -> Iterator[None]:
        """Raise HubError for an answer that is not the hub's, such as the page of a proxy."""
        try:
            yield
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise HubError(
                "the hub's answer cannot be read",
                where=self.url,
                cause=str(error),
                hint="is this the address of a hub?",
            ) from error


class _Bearer(AuthBase):
    """Shows the token. Unlike a plain header it is not replaced by a password in the user's .netrc."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def parse_retry_after(text: str | None, now: datetime) -> float | None:
    """Return the seconds of a Retry-After header, given as seconds or as a date (RFC 9110, 10.2.3)."""
    if text is None:
        return None
    if text.strip().isdigit():
        return float(text.strip()[:9])
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (ValueError, TypeError):
        return None


def refuse_plain_http(url: str) -> None:
    """Raise ConfigError for an address that the token must not be sent to."""
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return
    raise ConfigError(
        "the address of the hub must begin with https://",
        cause=f"it is {url!r}",
        hint="the token would be sent unencrypted; http:// is accepted for this machine alone",
    )


def _find_cause(error: requests.RequestException) -> str:
    """Return the innermost reason, which is short; those around it repeat the address."""
    inner: BaseException = error
    while (next_inner := inner.__cause__ or inner.__context__) is not None:
        inner = next_inner
    return str(inner) or type(inner).__name__
