"""Redaction: secrets are struck out of free text, and nothing else is changed."""

from __future__ import annotations

import pytest

from stretto.model.event import Event, Kind
from stretto.sources.redact import STRUCK, redact_event, redact_for_journal, redact_text

SECRETS = {
    "an API key": "sk-ant-" + "0123456789abcdef" * 2,
    "a live key": "sk_live_0123456789abcdefABCD",
    "a project key": "sk-proj-0123456789abcdefABCD",
    "a code host's token": "ghp_0123456789abcdefABCDEF0123456789abcd",
    "a fine-grained one": "github_pat_0123456789abcdefABCDEF_01",
    "another code host's": "glpat-0123456789abcdefAB",
    "a chat token": "xoxb-0123456789-abcdef",
    "a cloud key": "AKIA0123456789ABCDEF",
    "a session's cloud key": "ASIA0123456789ABCDEF",
    "a search key": "AIza0123456789abcdefABCDEF0123456789abc",
    "a web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-DEF_123",
    "a private key": "-----BEGIN RSA PRIVATE KEY-----MIIEow",
    "a bearer": "Bearer abcdef0123456789",
    "a basic login": "basic QWxhZGRpbjpvcGVuc2VzYW1l",
    "a password": "password=hunter2",
    "a secret": "SECRET: hunter2",
    "a token": "token = hunter2",
    "an API key by name": "api_key: hunter2",
    "a login in an address": "https://someone:hunter2@example.org/path",
    "an e-mail address": "first.last+tag@mail.example.org",
    "forty mixed characters": "aB3" + "xY9+/" * 8,
}

PLAIN = [
    "review the architecture",
    "fix the password form",
    "token bucket for rate limits",
    "write 40 tests for the API",
    "draft https://example.org/docs?x=1",
    "0123456789abcdef0123456789abcdef01234567",
    "sketch basic ideas",
    "bearer of bad news",
    "a" * 120,
]


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_a_secret_is_struck_out(secret: str) -> None:
    """No part of a secret is left in a sentence, and the rest of the sentence stays."""
    redacted = redact_text(f"use {secret}")
    assert STRUCK in redacted
    assert redacted.startswith("use ")
    body = secret.removeprefix("https://")
    assert not any(part in redacted for part in (body, body[4:20], "hunter2"))


@pytest.mark.parametrize("text", PLAIN)
def test_plain_words_stay(text: str) -> None:
    """Texts without a secret stay as they are: commit ids, addresses, words that only sound like a secret."""
    assert redact_text(text) == text


def test_only_free_text_is_changed() -> None:
    """Ids may look like keys and stay unchanged; an event without a secret is returned itself."""
    key = SECRETS["an API key"]
    event = Event(kind=Kind.TOOL_START, session="s", time=1, id=key, attributes={"description": f"use {key}"})
    redacted_event = redact_event(event)
    assert redacted_event.id == key
    assert redacted_event.attributes == {"description": f"use {STRUCK}"}
    named = Event(
        kind=Kind.TASK_START,
        session="s",
        time=1,
        name=key,
        type=key,
        attributes={"agent": key, "status": key},
    )
    redacted = redact_event(named)
    assert (redacted.name, redacted.type) == (STRUCK, STRUCK)
    assert redacted.attributes == {"agent": STRUCK, "status": key}
    plain = Event(
        kind=Kind.TOOL_START, session="s", time=1, name="Bash", attributes={"description": "review"}
    )
    assert redact_event(plain) is plain
    bare = Event(kind=Kind.TOOL_START, session="s", time=1)
    assert redact_event(bare) is bare
    odd = Event(kind=Kind.TOOL_START, session="s", time=1, attributes={"description": 7})
    assert redact_event(odd) is odd


def test_descriptions_reach_the_journal_only_if_wanted() -> None:
    """Unwanted descriptions are removed; the other attributes stay as redaction leaves them."""
    event = Event(
        kind=Kind.TASK_START,
        session="s",
        time=1,
        name="worker",
        attributes={"description": "review", "agent": "a"},
    )
    assert redact_for_journal(event, describe=True) is event
    assert redact_for_journal(event, describe=False).attributes == {"agent": "a"}


def test_ordinary_words_after_basic_stay() -> None:
    """A description of basic work is not a credential; a credential after the same word is struck out."""
    for text in ("review basic architecture", "write basic documentation", "sk_learn_pipeline_refactoring"):
        assert redact_text(text) == text
    assert redact_text("Basic dXNlcjpwYXNzd29yZA==") == STRUCK
