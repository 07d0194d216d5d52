"""Hand messages of the service to Alertmanager, which sends them to the receivers of a person.

Mail, chat and pagers are configured once, in ``receivers.yml``, and their secrets never reach the service.
Format: Alertmanager's API, version 2, ``POST /api/v2/alerts``.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from stretto.clock import to_rfc3339
from stretto.errors import ServiceError
from stretto.servers.find_running_server import find_running_server
from stretto.servers.supervised_server_password import ServerCredentials, read_credentials

PATH = "/api/v2/alerts"
TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class AlertmanagerTarget:
    """The Alertmanager that messages go to, and the value of the header by which it lets the service in."""

    url: str
    authorization: str | None = None


@dataclass(frozen=True, slots=True)
class PostedAlert:
    """A message as an alert. ``starts_at`` and ``ends_at`` are in nanoseconds since the epoch.

    Alertmanager sends it once and takes it as over at ``ends_at``.
    """

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: int
    ends_at: int


def find_alertmanager(folder: Path, url: str | None, token: str | None) -> AlertmanagerTarget | None:
    """Return the Alertmanager of a ``url``, else the one that the service runs; None if there is none.

    ``folder`` is that of the supervised servers. An Alertmanager elsewhere is shown the service's token as
    the password, as in the containers.
    """
    if url is not None:
        access = None if token is None else ServerCredentials(folder, token).authorization
        return AlertmanagerTarget(url.rstrip("/"), access)
    running = find_running_server(folder, "alertmanager")
    credentials = read_credentials(folder)
    if running is None or credentials is None:
        return None
    return AlertmanagerTarget(f"http://{running.address}", credentials.authorization)


def post_alerts(target: AlertmanagerTarget, alerts: Sequence[PostedAlert]) -> None:
    """Hand alerts over. Raises ServiceError if Alertmanager does not take them."""
    body = [
        {
            "labels": dict(alert.labels),
            "annotations": dict(alert.annotations),
            "startsAt": to_rfc3339(alert.starts_at),
            "endsAt": to_rfc3339(alert.ends_at),
        }
        for alert in alerts
    ]
    request = urllib.request.Request(  # noqa: S310  # the configuration's address, or our own server's
        target.url + PATH, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    if target.authorization is not None:
        request.add_header("Authorization", target.authorization)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):  # noqa: S310  # as above
            return
    except urllib.error.HTTPError as error:
        with error:
            cause = f"it answered {error.code}: {error.read(200).decode(errors='replace').strip()}"
    except OSError as error:
        cause = str(getattr(error, "reason", error))
    except HTTPException as error:
        # What answered speaks another protocol.
        cause = f"its answer is no HTTP: {error!r}"
    raise ServiceError(
        "Alertmanager did not take a message",
        where=target.url,
        cause=cause,
        hint="stretto doctor checks the way of alerts",
    )
