"""Silence links, checked with the grammar of Alertmanager's page."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qs

from hypothesis import given
from hypothesis import strategies as st

from stretto.notifications.silence_link import build_silence_url

BASE = "http://127.0.0.1:9093"
MATCHER = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)=("(?:[^"\\]|\\.)*")(?:,)?')
NAMES = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,8}", fullmatch=True)


def read_back(url: str) -> dict[str, str]:
    """Return the matchers that the page's grammar finds in the address."""
    base, _, fragment = url.partition("#")
    assert base == f"{BASE}/"
    path, _, query = fragment.partition("?")
    assert path == "/silences/new"
    [text] = parse_qs(query, strict_parsing=True)["filter"]
    assert (text[0], text[-1]) == ("{", "}")
    matchers = MATCHER.findall(text[1:-1])
    assert ",".join(f"{name}={value}" for name, value in matchers) == text[1:-1]
    return {name: json.loads(value) for name, value in matchers}


def test_the_form_opens_with_the_alerts_labels() -> None:
    """The address has the alert's labels, encoded, the name first."""
    url = build_silence_url(BASE, {"agent": "a", "severity": "critical", "alertname": "StrettoSuccessLow"})
    assert url == (
        "http://127.0.0.1:9093/#/silences/new"
        "?filter=%7Balertname%3D%22StrettoSuccessLow%22%2Cagent%3D%22a%22%2Cseverity%3D%22critical%22%7D"
    )


@given(st.dictionaries(NAMES, st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_every_label_is_read_back_as_it_was(labels: dict[str, str]) -> None:
    """Quotes, backslashes, ampersands, braces and any script are preserved in the address."""
    assert read_back(build_silence_url(BASE, labels)) == labels


def test_a_slash_at_the_addresss_end_makes_no_second_one() -> None:
    """Both spellings of an address lead to one place."""
    assert build_silence_url(f"{BASE}/", {"a": "b"}) == build_silence_url(BASE, {"a": "b"})
