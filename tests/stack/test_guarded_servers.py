"""A web page of a foreign origin plays against the real servers: it reads and changes nothing."""

from __future__ import annotations

import functools
import http.client
import json
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from stretto.cli.main import main
from tests.stack.running import PATIENCE, Running, require_servers, running, until

pytestmark = pytest.mark.stack

ORIGIN = {"Origin": "https://evil.example"}
ALERT = json.dumps([{"labels": {"alertname": "StrettoForged", "severity": "critical"}}]).encode()
SILENCE = json.dumps(
    {
        "matchers": [{"name": "alertname", "value": ".+", "isRegex": True, "isEqual": True}],
        "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "2099-01-01T00:00:00Z",
        "createdBy": "a page",
        "comment": "everything",
    }
).encode()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service with both servers running."""
    require_servers()
    with running(tmp_path_factory.mktemp("guarded")) as service:
        for address in (service.prometheus, service.alertmanager):
            until("an answer", functools.partial(send, address, "GET", "/-/ready"))
        until("a scrape", lambda: service.value('up{job="stretto"}') == 1)
        yield service


def send(
    address: str, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of a request as a browser sends it."""
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return response.status, names, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("server", "method", "path"),
    [
        ("alertmanager", "POST", "/api/v2/alerts"),
        ("alertmanager", "POST", "/api/v2/silences"),
        ("alertmanager", "GET", "/api/v2/alerts"),
        ("prometheus", "POST", "/api/v1/query"),
        ("prometheus", "GET", "/api/v1/query"),
    ],
)
def test_a_preflight_is_refused(service: Running, server: str, method: str, path: str) -> None:
    """A browser's question whether a page may send a request is answered with 401, so it sends nothing."""
    headers = {
        **ORIGIN,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "content-type,authorization",
    }
    status, names, _ = send(getattr(service, server), "OPTIONS", path, headers)

    assert status == http.client.UNAUTHORIZED
    assert "access-control-allow-origin" not in names


@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
@pytest.mark.parametrize(("path", "body"), [("/api/v2/alerts", ALERT), ("/api/v2/silences", SILENCE)])
def test_a_page_posts_neither_alert_nor_silence(
    service: Running, path: str, body: bytes, content_type: str
) -> None:
    """A post without a preflight, as a form sends it, gets 401, and Alertmanager has neither afterwards."""
    headers = {**ORIGIN, "Content-Type": content_type}
    assert send(service.alertmanager, "POST", path, headers, body)[0] == http.client.UNAUTHORIZED

    alerts = service.get("/api/v2/alerts", base=service.alertmanager)
    assert "StrettoForged" not in {alert["labels"]["alertname"] for alert in alerts}
    assert service.get("/api/v2/silences", base=service.alertmanager) == []


@pytest.mark.parametrize(("path", "body"), [("/api/v2/alerts", ALERT), ("/api/v2/silences", SILENCE)])
def test_a_form_of_a_signed_in_person_changes_nothing(service: Running, path: str, body: bytes) -> None:
    """A browser that remembers the password sends it with a page's form, whose type the server refuses."""
    headers = {**ORIGIN, "Content-Type": "text/plain", "Authorization": service.credentials.authorization}
    status, _, _ = send(service.alertmanager, "POST", path, headers, body)

    assert status >= http.client.BAD_REQUEST
    alerts = service.get("/api/v2/alerts", base=service.alertmanager)
    assert "StrettoForged" not in {alert["labels"]["alertname"] for alert in alerts}
    assert service.get("/api/v2/silences", base=service.alertmanager) == []


def test_a_page_reads_no_figure(service: Running) -> None:
    """A query is refused without the password; with it no answer may be read by another origin."""
    path = "/api/v1/query?query=up"
    assert send(service.prometheus, "GET", path, ORIGIN)[0] == http.client.UNAUTHORIZED
    signed_in = {**ORIGIN, "Authorization": service.credentials.authorization}
    status, names, _ = send(service.prometheus, "GET", path, signed_in)
    assert status == http.client.OK
    assert "access-control-allow-origin" not in names
    # Alertmanager answers "*", with which a browser gives no page an answer to a request with a password.
    _, names, _ = send(service.alertmanager, "GET", "/api/v2/alerts", signed_in)
    assert names.get("access-control-allow-credentials") is None
    assert names.get("access-control-allow-origin") in {None, "*"}


def test_the_servers_reach_each_other_with_the_password(service: Running) -> None:
    """Prometheus scrapes itself and Alertmanager, and sends alerts there, with the password."""
    until(
        "the self-scrapes", lambda: [sample["value"][1] for sample in service.query("up")] == ["1", "1", "1"]
    )
    until("a sent alert", lambda: service.get("/api/v2/alerts", base=service.alertmanager))


def test_every_file_of_the_servers_is_private(service: Running) -> None:
    """Configuration, data, logs and credentials are readable for their owner alone."""
    until("data", lambda: list((service.state / "servers" / "prometheus-data").rglob("*")))
    open_files = [
        path
        for path in (service.state / "servers").rglob("*")
        if path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    assert open_files == []


def test_doctor_knows_its_own_servers(service: Running, capsys: pytest.CaptureFixture[str]) -> None:
    """Doctor uses the password, and finds both servers fine."""
    main(["--state", str(service.state), "doctor", "--json"])
    results = {row["station"]: row for row in json.loads(capsys.readouterr().out)["findings"]}
    assert {name: results[name]["verdict"] for name in ("prometheus", "alertmanager")} == {
        "prometheus": "fine",
        "alertmanager": "fine",
    }


def test_without_servers_nothing_is_bad(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside ``up --no-servers`` a Prometheus of somebody else on 9090 is neither asked nor called broken."""
    require_servers()
    with running(tmp_path / "state", "--no-servers") as service:
        main(["--state", str(service.state), "doctor", "--json"])
    results = {row["station"]: row for row in json.loads(capsys.readouterr().out)["findings"]}
    for name in ("prometheus", "alertmanager"):
        assert (results[name]["verdict"], results[name]["found"]) == (
            "note",
            "not started by the running service",
        )
