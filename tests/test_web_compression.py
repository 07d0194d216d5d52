"""Compressed answers, asked over the wire of a real server on a real store."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from stretto.clock import HOUR
from stretto.web.live_updates import PATH
from tests.web_served import NOON, Store, Work, served

PAGES = ["/", "/sessions/wide", "/api/snapshot", "/metrics"]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Serve a session of sixty tasks."""
    made = Store(tmp_path_factory.mktemp("state"))
    made.scene("wide", NOON - HOUR, [Work(n, n + 30, f"review part {n}") for n in range(60)])
    backend = made.make_backend()
    made.refresh()
    with served(backend) as client:
        yield client


def keep_unmoving(content: bytes) -> list[bytes]:
    """Return the lines, samples without their values: some measure the program itself and move."""
    is_exposition = content.startswith(b"# HELP")
    return [line.rpartition(b" ")[0] if is_exposition else line for line in content.splitlines()]


@pytest.mark.parametrize("path", PAGES)
def test_an_answer_is_compressed_for_a_client_that_accepts_it(client: httpx.Client, path: str) -> None:
    """The same content arrives in at most a third of the bytes, and caches tell both forms apart."""
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    packed = client.get(path, headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["vary"]
    assert "Accept-Encoding" in plain.headers["vary"]
    assert keep_unmoving(packed.content) == keep_unmoving(plain.content)
    assert packed.num_bytes_downloaded <= len(plain.content) / 3


def test_a_short_answer_is_left_as_it_is(client: httpx.Client) -> None:
    """An answer that fits into a packet gains nothing."""
    assert "content-encoding" not in client.get("/healthz").headers


def test_a_stream_of_events_is_never_compressed(client: httpx.Client) -> None:
    """An event reaches the page when it happens, not when a compressor's buffer is full."""
    with client.stream("GET", PATH, headers={"Accept-Encoding": "gzip"}) as answer:
        assert "content-encoding" not in answer.headers
        lines = answer.iter_lines()
        data = next(line for line in lines if line.startswith("data: "))
    assert json.loads(data.removeprefix("data: "))["snapshot"] is not None
