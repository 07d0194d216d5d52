"""``stretto label``: label a session, or name its pattern, with or without a running service."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from contextlib import closing

from stretto import journal
from stretto.cli.command_context import CommandContext
from stretto.cli.import_command import update_store
from stretto.cli.session_commands import UNKNOWN_SESSION, explain_no_match, match_sessions
from stretto.clock import read_wall_clock
from stretto.errors import UsageError
from stretto.model.entities import MOST_LABELS
from stretto.model.event import Channel, Event, Kind
from stretto.sources.redact import redact_event
from stretto.state.lock import find_lock_holder
from stretto.store.database import open_reader

KEY_LIMIT = 120
"""Longest key and longest value, in characters."""

_HINT = "as in: stretto label last pattern=release arm=B"


def label_session(context: CommandContext, options: argparse.Namespace) -> int:
    """Append the labels to the journal: they are decisions, so a rebuild keeps them."""
    labels = dict(_parse_labels(options.labels))
    if len(labels) > MOST_LABELS:
        raise UsageError(f"a session has at most {MOST_LABELS} labels", cause=f"these are {len(labels)}")
    holder = find_lock_holder(context.config.state)
    # A running service keeps the store up to date and ingests the appended labels.
    service_is_down = holder is None or holder.address is None
    if service_is_down:
        update_store(context)
    with closing(open_reader(context.config.database)) as connection:
        ids = match_sessions(connection, options.session)
    if len(ids) != 1:
        context.print_note(explain_no_match(options.session, ids))
        return UNKNOWN_SESSION
    (session,) = ids
    now = read_wall_clock()
    events = [_make_event(session, key, value, now) for key, value in labels.items()]
    journal.append_records(
        journal.get_day_file(context.config.journal, now),
        b"".join(journal.encode_event(event) for event in events),
    )
    if service_is_down:
        update_store(context)
    written = ", ".join(f"{key}={value}" if value else f"{key} removed" for key, value in labels.items())
    context.print_answer({"session": session, "labels": labels}, f"session {session}: {written}")
    return 0


def _parse_labels(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    for text in texts:
        key, mark, value = (part.strip() for part in text.partition("="))
        if not mark or not key:
            raise UsageError(f"{text!r} is no label", hint=_HINT)
        if len(key) > KEY_LIMIT or len(value) > KEY_LIMIT:
            raise UsageError(f"{text[:40]!r} … is too long", hint=f"at most {KEY_LIMIT} characters")
        yield key, value


def _make_event(session: str, key: str, value: str, time: int) -> Event:
    return redact_event(
        Event(
            kind=Kind.LABEL,
            session=session,
            time=time,
            source="stretto",
            channel=Channel.API,
            name=key,
            attributes={"value": value},
        )
    )
