"""Which requests the guard lets through, and the headers of every answer."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from stretto.errors import StoreError
from stretto.web.app import LIMIT
from stretto.web.guard import HEADERS, Guard, Refusal
from stretto.web.hook_endpoint import HOOK
from stretto.web.json_routes import NOTIFICATIONS
from tests.web_served import Store, exchange, served


@dataclass
class Answer:
    """The answer of an ASGI application."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name.lower()]


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the number of bytes that came."""
    size = len(await Request(scope, receive).body())
    await PlainTextResponse(str(size))(scope, receive, send)


def guard(
    token: str | None = None, hosts: frozenset[str] = frozenset(), *, input_refusal: Refusal | None = None
) -> Guard:
    """Return the guard around an application that answers with the size of its body."""
    return Guard(
        echo, hosts=hosts, token=token, limits={"/large": 100}, limit=10, input_refusal=input_refusal
    )


def ask(app: Guard, path: str = "/", method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
    """Send a request to an application; header names are spelled with underscores."""
    answer = Answer()
    raw = [(name.replace("_", "-").encode(), value.encode("utf-8")) for name, value in headers.items()]
    if "host" not in headers:
        raw.append((b"host", b"127.0.0.1:9464"))
    scope: Scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": raw, "scheme": "http", "http_version": "1.1", "root_path": "",
    }  # fmt: skip

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = [(key.decode(), value.decode()) for key, value in message["headers"]]
        else:
            answer.body += message["body"]

    asyncio.run(app(scope, receive, send))
    return answer


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return an empty store."""
    made = Store(tmp_path)
    made.refresh()
    return made


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:9464", "127.8.9.1:1", "localhost", "LocalHost:80", "[::1]", "[::1]:9464"]
)
def test_the_loopback_interface_is_answered_by_any_of_its_names(host: str) -> None:
    """Every name of this machine is accepted."""
    assert ask(guard(), host=host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil-localhost",
        "0.0.0.0", "[::]", "2130706433", "127.1", "0x7f.1", "192.168.0.7", "169.254.169.254", "[fe80::1]",
        "[::ffff:10.0.0.1]",
    ],
)  # fmt: skip
def test_a_name_that_could_be_rebound_is_misdirected(host: str) -> None:
    """A page that had its own name point at this machine gets nothing to read."""
    answer = ask(guard(), host=host)

    assert answer.status == 421
    assert b"not one that Stretto answers to" in answer.body


@pytest.mark.parametrize(
    "host", ["", " ", "a b", "[::1", "x@127.0.0.1", "127.0.0.1/..", "127.0.0.1:port", "ähm", "[::1]x"]
)
def test_a_host_that_names_nothing_is_a_bad_request(host: str) -> None:
    """A malformed Host header is refused."""
    assert ask(guard(), host=host).status == 400


def test_an_allowed_host_is_answered() -> None:
    """A name from the configuration is let in by any spelling and port, and only that name."""
    app = guard(hosts=frozenset({"Stretto.lan"}))

    assert ask(app, host="stretto.LAN:9464").status == 200
    assert ask(app, host="other.lan").status == 421


def test_behind_a_token_any_address_is_answered_but_no_other_name() -> None:
    """An address cannot be rebound, and the service may have one that it does not know."""
    app = guard(token="t")

    assert ask(app, host="192.168.0.7:9464", authorization="Bearer t").status == 200
    assert ask(app, host="evil.example", authorization="Bearer t").status == 421


@given(host=st.text(max_size=30) | st.ip_addresses().map(str))
def test_only_loopback_addresses_and_localhost_ever_pass(host: str) -> None:
    """No spelling of a Host slips through: only the loopback interface passes."""
    if ask(guard(), host=host).status == 200:
        name = host.rsplit(":", 1)[0] if host.count(":") == 1 or "]:" in host else host
        assert name.lower() == "localhost" or ip_address(name.strip("[]")).is_loopback


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "ODD"])
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example", "http://127.0.0.1:8080", "http://127.0.0.1", "http://localhost:9464",
        "null", "", "file://", "http://127.0.0.1:9464.evil.example", "http://127.0.0.1:9464@evil.example",
        "127.0.0.1:9464",
    ],
)  # fmt: skip
def test_a_page_of_another_origin_may_not_send(method: str, origin: str) -> None:
    """Requests that change state are refused to every page of another origin."""
    answer = ask(guard(), method=method, origin=origin)

    assert answer.status == 403
    assert b"another origin" in answer.body


def test_the_same_origin_and_no_origin_may_send() -> None:
    """Our own page, agents and Alertmanager are let through; so is TLS that ends in a proxy."""
    proxied = guard(hosts=frozenset({"stretto.example"}))

    assert ask(guard(), method="POST", origin="http://127.0.0.1:9464").status == 200
    assert ask(guard(), method="POST").status == 200
    assert ask(proxied, method="POST", host="stretto.example", origin="https://stretto.example").status == 200
    assert (
        ask(proxied, method="POST", host="stretto.example", origin="https://stretto.example:444").status
        == 403
    )


def test_reading_is_left_to_the_same_origin_policy() -> None:
    """A foreign page's GET is answered without leave to read the answer."""
    answer = ask(guard(), origin="https://evil.example")

    assert answer.status == 200
    assert [name for name, _ in answer.headers if name.startswith("access-control")] == []


def basic(text: bytes) -> str:
    """Return a credential as browsers send it."""
    return "Basic " + base64.b64encode(text).decode()


@pytest.mark.parametrize(
    "authorization", ["Bearer wörd", "bearer wörd", "BEARER  wörd ", basic("me:wörd".encode())]
)
def test_the_token_opens_as_bearer_and_as_password(authorization: str) -> None:
    """Programs send a bearer token, browsers ask for it as a password; case and spaces do not matter."""
    assert ask(guard(token="wörd"), authorization=authorization).status == 200


@pytest.mark.parametrize(
    "authorization",
    [
        "", "Bearer", "Bearer ", "Bearer word", "Bearer wörd2", "Bearer wör", "wörd", "Digest wörd", "Basic",
        "Basic ?", "Basic w6Zy", basic(b"me"), basic("wörd".encode()), basic("wörd:".encode()),
        basic("me:wörd ".encode()),
    ],
)  # fmt: skip
def test_anything_else_is_asked_for_the_token(authorization: str) -> None:
    """A refusal names both ways in."""
    answer = ask(guard(token="wörd"), authorization=authorization)

    assert answer.status == 401
    assert [challenge.split()[0] for challenge in answer.all("www-authenticate")] == ["Bearer", "Basic"]
    assert "wörd" not in answer.body.decode()


@pytest.mark.parametrize(
    "path",
    ["/", "/metrics", "/readyz", "/api/snapshot", "/static/stretto.css", HOOK, "/healthz/", "/nowhere"],
)
def test_the_token_is_asked_of_everything_but_health(store: Store, path: str) -> None:
    """Without the token nothing can be read or sent, and a token in the address is none."""
    with served(store.make_backend(token="secret")) as client:
        assert client.get("/healthz").status_code == 200
        assert client.get(path).status_code == 401
        assert client.post(path).status_code == 401
        assert client.get(path, params={"token": "secret"}).status_code == 401
        assert client.get(path, headers={"Authorization": "Bearer secret"}).status_code != 401
        assert client.get(path, auth=("any", "secret")).status_code != 401


def test_compressed_bodies_are_not_taken(store: Store) -> None:
    """Nothing is ever decompressed, so no bomb can go off; a body as it is passes."""
    bomb = gzip.compress(b" " * 100_000)
    with served(store.make_backend()) as client:
        for encoding in ("gzip", "deflate", "br", "identity, gzip"):
            answer = client.post(HOOK, content=bomb, headers={"Content-Encoding": encoding})
            assert answer.status_code == 415
            assert answer.headers["Accept-Encoding"] == "identity"
        assert client.post(HOOK, content=b"{}", headers={"Content-Encoding": "identity"}).status_code == 204


@pytest.mark.parametrize(("path", "limit"), [("/", 10), ("/large", 100)])
def test_a_body_may_be_as_large_as_its_path_allows(path: str, limit: int) -> None:
    """The limit itself is allowed, one byte more is not, announced or not."""
    fits, over = b"x" * limit, b"x" * (limit + 1)

    assert ask(guard(), path, "POST", fits, content_length=str(limit)).body == str(limit).encode()
    assert ask(guard(), path, "POST", b"", content_length=str(limit + 1)).status == 413
    assert ask(guard(), path, "POST", b"", content_length="9" * 5_000).status == 413
    with pytest.raises(Exception, match=f"at most {limit} bytes"):
        ask(guard(), path, "POST", over)


@pytest.mark.parametrize("length", ["-1", "+1", "1e3", "0x10", "٣", "1,1", ""])
def test_a_length_that_is_no_number_is_a_bad_request(length: str) -> None:
    """No second meaning is looked for in a length."""
    assert ask(guard(), method="POST", content_length=length).status == 400


def test_a_chunked_body_is_counted_as_it_comes(store: Store) -> None:
    """A body that announces nothing is cut off at the limit, with the same answer."""

    def chunks() -> Iterator[bytes]:
        for _ in range(LIMIT // 65_536 + 1):
            yield b"x" * 65_536

    with served(store.make_backend()) as client:
        answer = client.post(NOTIFICATIONS, content=chunks())

        assert answer.status_code == 413
        assert f"at most {LIMIT} bytes" in answer.json()["error"]
        assert client.get("/healthz").status_code == 200


def test_an_announced_giant_is_refused_before_it_comes(store: Store) -> None:
    """The answer does not wait for a body that will not be read."""
    request = (
        b"POST " + HOOK.encode() + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999\r\n\r\n"
    )
    with served(store.make_backend()) as client:
        assert exchange(client, request).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("hosts", [b"", b"Host: 127.0.0.1\r\nHost: evil.example\r\n"])
def test_exactly_one_host_header_is_needed(store: Store, hosts: bytes) -> None:
    """A request that names no host, or two of them, names none that can be trusted."""
    with served(store.make_backend()) as client:
        assert exchange(client, b"GET / HTTP/1.1\r\n" + hosts + b"\r\n").startswith(b"HTTP/1.1 400 ")
        assert exchange(client, b"GET / HTTP/1.0\r\n" + hosts + b"\r\n").startswith(b"HTTP/1.1 400 ")


def failing(_: str) -> Any:
    """Stand for a store that is gone."""
    raise StoreError("the store is gone")


def broken(*_: object) -> Any:
    """Stand for a fault that nobody foresaw."""
    raise ZeroDivisionError


def test_every_answer_carries_the_headers(store: Store) -> None:
    """Pages, errors, refusals and faults all carry the security headers."""
    backend = store.make_backend(expose=failing, baselines=broken)
    with served(backend) as client:
        answers = [
            client.get("/"),
            client.get("/nowhere"),
            client.delete("/"),
            client.post(HOOK, content=b"{}"),
            client.get("/metrics"),
            client.get("/", headers={"Host": "evil.example"}),
            # Last: after a fault the server closes the connection, which the next request might still use.
            client.get("/api/baselines"),
        ]

    assert [answer.status_code for answer in answers] == [200, 404, 405, 204, 503, 421, 500]
    for answer in answers:
        assert {name: answer.headers.get(name) for name in HEADERS} == dict(HEADERS)


def test_a_fault_tells_nothing_of_the_inside(store: Store) -> None:
    """An unexpected error is answered as such, without a trace of code."""
    with served(store.make_backend(sessions=broken)) as client:
        answer = client.get("/api/sessions")

    assert answer.json() == {
        "error": "Stretto failed to answer",
        "hint": "the service's standard error has the reason",
    }


def test_errors_below_api_are_json_and_text_elsewhere() -> None:
    """A refusal below /api/ is JSON, elsewhere text."""
    assert json.loads(ask(guard(), "/api/x", host="evil.example").body).keys() == {"error", "hint"}
    assert ask(guard(), "/x", host="evil.example").all("content-type") == ["text/plain; charset=utf-8"]


def test_websockets_are_closed() -> None:
    """There is no way around the guard by another protocol."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(guard()({"type": "websocket", "path": "/", "headers": []}, receive, send))

    assert [message["type"] for message in sent] == ["websocket.close"]


def test_a_service_that_receives_nothing_is_only_read() -> None:
    """Reading goes on, everything sent is refused with a reason."""
    app = guard(input_refusal=Refusal(409, "a copy receives nothing", "send it to the original"))

    assert ask(app).status == 200
    refused = ask(app, method="POST", body=b"1")
    assert refused.status == 409
    assert b"a copy receives nothing" in refused.body
    assert b"the original" in refused.body
