"""``stretto score``: record a judgement on a session, task or phase, with or without a running service."""

from __future__ import annotations

import argparse
from contextlib import closing

from stretto import journal
from stretto.cli.command_context import CommandContext
from stretto.cli.import_command import update_store
from stretto.clock import read_wall_clock, to_rfc3339
from stretto.errors import UsageError
from stretto.model.event import Event
from stretto.model.score_scales import PlacedScore, build_scale_document
from stretto.model.task_type import to_label_value
from stretto.sources import outside_score
from stretto.sources.outside_score import LATEST, Judgement
from stretto.state.lock import find_lock_holder
from stretto.store import find_work_that_a_score_judges as judged
from stretto.store import session_queries
from stretto.store.database import open_reader
from stretto.store.find_work_that_a_score_judges import ScoreReceipt

NOT_FOUND = 1

_HINT = "as in: stretto score latest quality 8.5 --by you"
_WITH_LATEST = 3
"""Number of words on the command line if the first word is 'latest'."""


def record_score(context: CommandContext, options: argparse.Namespace) -> int:
    """Append a score to the journal and print its target."""
    item = _build_item(options)
    parsed = outside_score.parse_judgement(item)
    if isinstance(parsed, str):
        raise UsageError(parsed, hint=_HINT)
    # A running service keeps the store up to date and ingests the appended score.
    service_is_down = _is_service_down(context)
    if service_is_down:
        update_store(context)
    off_scale = _find_scale_problem(context, parsed)
    if off_scale is not None:
        raise UsageError(
            off_scale, hint="name the top of its scale: stretto score latest quality 92 --of 100"
        )
    receipt = _read_score(context, item)
    event, placed = receipt.event, receipt.placed
    if event is None or placed is None:
        context.print_note(
            f"{receipt.problem}: 'stretto sessions' lists sessions, 'stretto show --json' what is in one"
        )
        return NOT_FOUND
    journal.append_records(
        journal.get_day_file(context.config.journal, event.time), journal.encode_event(event)
    )
    if service_is_down:
        update_store(context)
    context.print_answer(_build_document(event, placed), _describe_score(event, placed))
    return 0


def _build_item(options: argparse.Namespace) -> dict[str, object]:
    """Return the command line in the shape that the HTTP route accepts."""
    targets = {name: getattr(options, name) for name in ("session", "task", "phase")}
    words = options.words
    if len(words) == _WITH_LATEST and words[0] == LATEST:
        if any(targets.values()):
            raise UsageError("name a session, task or phase, or 'latest', not both", hint=_HINT)
        targets["session"] = LATEST
        words = words[1:]
    if len(words) != _WITH_LATEST - 1:
        raise UsageError("a score needs a name and a value", hint=_HINT)
    try:
        value = float(words[1])
    except ValueError:
        raise UsageError(f"{words[1]!r} is not a number", hint=_HINT) from None
    item = {**targets, "name": words[0], "value": value, "of": options.of, "by": options.by}
    return {key: entry for key, entry in item.items() if entry is not None}


def _find_scale_problem(context: CommandContext, score: Judgement) -> str | None:
    name = to_label_value(score.name)
    placed = context.config.scores.scales.place_score(name, score.value, score.out_of)
    return None if placed.problem is None else f"{score.name} {score.value:g} is {placed.problem}"


def _read_score(context: CommandContext, item: dict[str, object]) -> ScoreReceipt:
    with closing(open_reader(context.config.database)) as connection:
        session = item.get("session")
        if isinstance(session, str) and session != LATEST:
            ids = session_queries.find_session_ids(connection, session)
            if session not in ids and len(ids) > 1:
                return ScoreReceipt(problem=f"{session!r} is the beginning of several sessions")
            if session not in ids and ids:
                item = {**item, "session": ids[0]}
        scales = context.config.scores.scales
        (receipt,) = judged.read_scores(connection, [item], read_wall_clock(), scales)
    return receipt


def _is_service_down(context: CommandContext) -> bool:
    holder = find_lock_holder(context.config.state)
    return holder is None or holder.address is None


def _build_document(event: Event, placed: PlacedScore) -> dict[str, object]:
    return {
        "session": event.session,
        "of": event.attributes["of"],
        "of_id": event.id,
        "name": event.name,
        "value": placed.value,
        "scale": build_scale_document(placed.scale),
        "by": event.attributes.get("by"),
        "time": to_rfc3339(event.time),
    }


def _describe_score(event: Event, placed: PlacedScore) -> str:
    of = event.attributes["of"]
    subject = f"session {event.session}" if of == "session" else f"{of} {event.id} of session {event.session}"
    by = event.attributes.get("by")
    read = f"{event.name} {placed.value:g} ({placed.describe_scale()})"
    return f"{read}: {subject}" + (f", says {by}" if by else "")
