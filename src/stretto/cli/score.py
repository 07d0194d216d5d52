"""``stretto score``: judge a session, or a task or phase of one, whether or not the service runs."""

from __future__ import annotations

import argparse
from contextlib import closing

from stretto import journal
from stretto.cli.command_context import CommandContext
from stretto.cli.import_command import update_store
from stretto.clock import read_wall_clock, to_rfc3339
from stretto.errors import UsageError
from stretto.model.event import Event
from stretto.sources import judgement
from stretto.sources.judgement import LATEST
from stretto.state.lock import holder_of
from stretto.store import queries
from stretto.store import score_targets as judged
from stretto.store.database import open_reader

NOT_FOUND = 1

_HINT = "as in: stretto score latest quality 8.5 --by you"
_WITH_LATEST = 3
"""Words, where the session is named by one of them."""


def record_score(context: CommandContext, options: argparse.Namespace) -> int:
    """Append a score to the journal and say what it is about."""
    item = _build_item(options)
    told = judgement.parse_judgement(item)
    if isinstance(told, str):
        raise UsageError(told, hint=_HINT)
    # A service that runs has the store up to date, and takes in what is appended now.
    alone = _is_service_down(context)
    if alone:
        update_store(context)
    found = _build_event(context, item)
    if isinstance(found, str):
        context.print_note(
            f"{found}: 'stretto sessions' lists sessions, 'stretto show --json' what is in one"
        )
        return NOT_FOUND
    journal.append_records(
        journal.get_day_file(context.config.journal, found.time), journal.encode_event(found)
    )
    if alone:
        update_store(context)
    context.print_answer(_build_document(found), _describe_score(found))
    return 0


def _build_item(options: argparse.Namespace) -> dict[str, object]:
    """Return what was parse_options for in the shape that HTTP takes."""
    named = {name: getattr(options, name) for name in ("session", "task", "phase")}
    words = options.words
    if len(words) == _WITH_LATEST and words[0] == LATEST:
        if any(named.values()):
            raise UsageError("name a session, task or phase, or say 'latest', not both", hint=_HINT)
        named["session"] = LATEST
        words = words[1:]
    if len(words) != _WITH_LATEST - 1:
        raise UsageError("a score has a name and a value", hint=_HINT)
    try:
        value = float(words[1])
    except ValueError:
        raise UsageError(f"{words[1]!r} is no number", hint=_HINT) from None
    item = {**named, "name": words[0], "value": value, "by": options.by}
    return {name: said for name, said in item.items() if said is not None}


def _build_event(context: CommandContext, item: dict[str, object]) -> Event | str:
    with closing(open_reader(context.config.database)) as connection:
        session = item.get("session")
        if isinstance(session, str) and session != LATEST:
            ids = queries.find_sessions(connection, session)
            if session not in ids and len(ids) > 1:
                return f"{session!r} is the beginning of several sessions"
            if session not in ids and ids:
                item = {**item, "session": ids[0]}
        (found,) = judged.events(connection, [item], read_wall_clock())
    return found


def _is_service_down(context: CommandContext) -> bool:
    holder = holder_of(context.config.state)
    return holder is None or holder.address is None


def _build_document(event: Event) -> dict[str, object]:
    return {
        "session": event.session,
        "of": event.attributes["of"],
        "of_id": event.id,
        "name": event.name,
        "value": event.attributes["value"],
        "by": event.attributes.get("by"),
        "time": to_rfc3339(event.time),
    }


def _describe_score(event: Event) -> str:
    of = event.attributes["of"]
    what = f"session {event.session}" if of == "session" else f"{of} {event.id} of session {event.session}"
    by = event.attributes.get("by")
    return f"{event.name} {event.attributes['value']:g}: {what}" + (f", says {by}" if by else "")
