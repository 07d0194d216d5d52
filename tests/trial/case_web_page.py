"""A web page of a foreign origin against the service and its servers: it reads and forges nothing."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping

from stretto.servers.find_running_server import find_running_server
from stretto.servers.supervised_server_password import ServerCredentials, read_credentials
from stretto.servers.supervisor import BINARIES, find_program
from tests.trial.case import NotTriedError, Row, Scope
from tests.trial.service import RunningService, run_service, wait_until

ORIGIN = "https://evil.example"
PREFLIGHT = {
    "Origin": ORIGIN,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type",
}
ALERT = json.dumps([{"labels": {"alertname": "StrettoForged", "severity": "critical"}}]).encode()
SILENCE = json.dumps(
    {
        "matchers": [{"name": "alertname", "value": ".+", "isRegex": True, "isEqual": True}],
        "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z",
        "createdBy": "x", "comment": "x",
    }
).encode()  # fmt: skip

Answer = tuple[int, Mapping[str, str], bytes]


def run(scope: Scope) -> Iterator[Row]:
    """Play the page: preflights, posts of forms and of JSON, queries, and a name that points to loopback."""
    missing = [name for name in BINARIES if find_program(name) is None]
    if missing:
        raise NotTriedError(f"{' and '.join(missing)} not installed: make servers")
    with run_service(scope.folder / "state") as service:
        servers = service.state / "servers"
        wait_until(lambda: all(find_running_server(servers, name) for name in BINARIES), 30)
        found = {name: find_running_server(servers, name) for name in BINARIES}
        addresses = {name: server.address for name, server in found.items() if server is not None}
        for address in addresses.values():
            wait_until(lambda address=address: bool(_send(address, "GET", "/-/ready")[0]), 30)  # type: ignore[misc]
        credentials = read_credentials(servers)
        if credentials is None or len(addresses) != len(BINARIES):
            yield Row("web page: servers", 1, 1, "the servers did not start")
            return
        yield from _play(service, addresses, credentials)


def _play(
    service: RunningService, addresses: Mapping[str, str], credentials: ServerCredentials
) -> Iterator[Row]:
    alertmanager, prometheus = addresses["alertmanager"], addresses["prometheus"]
    asked = [
        *(_send(alertmanager, "OPTIONS", f"/api/v2/{name}", PREFLIGHT) for name in ("alerts", "silences")),
        *(_send(prometheus, "OPTIONS", f"/api/v1/{name}", PREFLIGHT) for name in ("query", "series")),
    ]
    yield Row("web page: preflights", len(asked), sum(map(_is_allowed, asked)))

    posted = 0
    for path, body in (("/api/v2/alerts", ALERT), ("/api/v2/silences", SILENCE), ("/api/v1/alerts", ALERT)):
        for media in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
            _send(alertmanager, "POST", path, {"Origin": ORIGIN, "Content-Type": media}, body)
            posted += 1
    owner = {"Authorization": credentials.authorization}
    alerts = json.loads(_send(alertmanager, "GET", "/api/v2/alerts", owner)[2])
    silences = json.loads(_send(alertmanager, "GET", "/api/v2/silences", owner)[2])
    forged = sum(alert["labels"]["alertname"] == "StrettoForged" for alert in alerts)
    yield Row("web page: forged alerts and silences", posted, forged + len(silences))

    paths = ("/api/v1/query?query=up", "/api/v1/series?match[]=up", "/metrics", "/federate?match[]=up")
    read = [_send(prometheus, "GET", path, {"Origin": ORIGIN}) for path in paths]
    yield Row(
        "web page: queries of Prometheus", len(read), sum(status == http.client.OK for status, _, _ in read)
    )

    attempts = [
        _send(service.address, "GET", "/api/snapshot", {"Host": "evil.example"}),
        _send(service.address, "GET", "/", {"Host": "evil.example:9464"}),
        _send(
            service.address, "POST", "/api/scores", {"Origin": ORIGIN, "Content-Type": "text/plain"}, b"[]"
        ),
        _send(
            service.address,
            "POST",
            "/v1/traces",
            {"Origin": ORIGIN, "Content-Type": "application/json"},
            b"{}",
        ),
        _send(service.address, "OPTIONS", "/api/scores", PREFLIGHT),
    ]
    yield Row("web page: the service itself", len(attempts), sum(map(_is_allowed, attempts)))


def _is_allowed(answer: Answer) -> bool:
    """Return whether a browser would go on: a good status, or a foreign origin that is let in."""
    status, headers, _ = answer
    return status < http.client.BAD_REQUEST or "access-control-allow-origin" in headers


def _send(
    address: str, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> Answer:
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
    finally:
        connection.close()
