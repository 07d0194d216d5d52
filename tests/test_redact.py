"""Redaction: secrets are struck out of free text, and nothing else is changed."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from stretto.model.event import Event, Kind, Value
from stretto.sources import redact
from stretto.sources.redact import (
    redact_event,
    redact_for_journal,
    redact_id_if_secret,
    redact_session_events,
    redact_text,
)
from stretto.sources.secret_formats import STRUCK
from tests.secret_samples import SAMPLES, find_secret_part

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

SECRET = SECRETS["an API key"]

PLAIN = [
    "review the architecture",
    "fix the password form",
    "token bucket for rate limits",
    "write 40 tests for the API",
    "draft https://example.org/docs?x=1",
    "0123456789abcdef0123456789abcdef",
    "claude-sonnet-4-5-20250929",
    "mcp__github__create_pull_request_review",
    "max_tokens: 4096",
    "tokenizer = fast",
    "secretary of the board",
    "run pytest -k password_form -x",
    "src/components/PaymentForm.tsx",
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


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
@pytest.mark.parametrize("around", ["{}", "use {} now", "({})", "worker-{}", "a={};b"])
def test_every_known_format_is_struck_out(sample: str, around: str) -> None:
    """A secret of each published format goes, alone and amid other text."""
    text = around.format(sample)
    assert find_secret_part(sample) not in redact_text(text)
    assert STRUCK in redact_text(text)


def test_the_samples_are_many() -> None:
    """At least seventy formats are tried."""
    assert len(SAMPLES) >= 70


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_every_field_is_redacted(sample: str) -> None:
    """Fields, attributes and members of lists lose the secret; a second redaction changes nothing more."""
    event = Event(
        kind=Kind.TASK_START,
        session=sample,
        time=1,
        id=sample,
        parent=sample,
        name=sample,
        type=sample,
        source=sample,
        attributes={"description": f"use {sample}", "project": sample, "ids": [sample, "t1"], "value": 0.5},
    )
    redacted = redact_event(event)

    assert find_secret_part(sample) not in repr(redacted)
    assert redacted.session == redacted.id == redacted.parent
    assert redacted.attributes["ids"] == [redacted.id, "t1"]
    assert redacted.attributes["value"] == 0.5
    assert redact_event(redacted) == redacted


def test_ids_that_look_like_secrets_stay_apart() -> None:
    """Two such ids get two hashes, the same ones in every event; usual ids stay as they are."""
    first, second = SAMPLES["40 hexadecimal digits"], SAMPLES["GitHub personal"]
    assert redact_id_if_secret(first) != redact_id_if_secret(second)
    assert (
        redact_id_if_secret(first)
        == redact_id_if_secret(first)
        == redact_id_if_secret(redact_id_if_secret(first))
    )
    for id in (
        "toolu_01A09q90qw90lq917835lq9a", "toolu_bdrk_01A09q90qw90lq917835lq9", "call_Ab12Cd34Ef56Gh",
        "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", "0af7651916cd43dd8448eb211c80319c", "a1b2c3d", "agent/2",
        "msg_01XFDUDYJgAACzvnptvVoYEL", "chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz123", "1-2026",
    ):  # fmt: skip
        assert redact_id_if_secret(id) == id


def test_an_event_without_a_secret_is_returned_itself() -> None:
    """Nothing is copied for a plain event, whatever the types of its attributes."""
    mixed: dict[str, Value] = {"description": 7, "ids": ["a", "b"], "background": True}
    plain: dict[str, Value] = {"description": "review"}
    for attributes in (plain, {}, mixed):
        event = Event(kind=Kind.TOOL_START, session="s", time=1, name="Bash", attributes=attributes)
        assert redact_event(event) is event
        assert redact_event(event) is event


def test_control_characters_become_blanks() -> None:
    """Neither a terminal's escape nor a mark that reverses text stays in a name, and none hides a secret."""
    written: dict[str, Value] = {"description": "a\u202eb\nc"}
    event = Event(kind=Kind.TOOL_START, session="s", time=1, name="Ba\x1b[31msh", attributes=written)
    redacted = redact_event(event)
    assert redacted.name == "Ba [31msh"
    assert redacted.attributes["description"] == "a b c"
    assert "hunter2" not in redact_text("password\x00=\x00hunter2")


def test_remembered_texts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any number of distinct names leaves a bounded memory."""
    monkeypatch.setattr(redact, "REMEMBERED_TEXTS", 100)
    for number in range(1_000):
        name = f"tool {number}"
        redact_event(Event(kind=Kind.TOOL_START, session="s", time=1, id=f"id/{number}", name=name))
    assert len(redact._plain) <= 101


def test_events_are_redacted_while_another_thread_forgets() -> None:
    """Between two steps of forgetting nothing at all is known to be plain, and a field may be absent."""
    redact._plain.clear()
    event = Event(kind=Kind.TOOL_START, session="s", time=1, id="toolu_1", name="Bash")
    try:
        assert redact_event(event) == event
    finally:
        redact._plain.add(None)


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


@pytest.mark.parametrize(
    "secret",
    [
        {"session": SECRET},
        {"id": SECRET},
        {"parent": SECRET},
        {"name": SECRET},
        {"type": SECRET},
        {"source": SECRET},
        {"attributes": {"description": SECRET}},
        {"attributes": {"ids": [SECRET]}},
    ],
    ids="+".join,
)
def test_events_redacted_together_are_as_those_redacted_alone(secret: dict[str, Any]) -> None:
    """A secret among plain events is struck out wherever it stands, and the other events stay as they are."""
    plain = [
        Event(kind=Kind.TOOL_START, session="s", time=time, id=f"toolu_{time}", name="Bash", parent="a1")
        for time in range(1, 4)
    ]
    session = secret.get("session", "s")
    mixed = [*[replace(event, session=session) for event in plain], replace(plain[0], **secret)]
    assert list(redact_session_events(plain)) == plain
    assert list(redact_session_events(mixed)) == [redact_event(event) for event in mixed]
    assert SECRET not in repr(redact_session_events(mixed))
