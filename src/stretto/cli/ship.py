"""``stretto ship``: ship sessions to a team's hub without the service, show what waits, forget at the hub."""

from __future__ import annotations

import argparse
import random
import sqlite3
import time
from contextlib import closing
from typing import Any

from stretto.cli.command_context import CommandContext
from stretto.cli.ingest_progress import ingest_with_progress
from stretto.cli.machine_identity import find_machine_identity
from stretto.clock import read_wall_clock, to_rfc3339
from stretto.errors import HubError, ServiceError, StoreError, UsageError
from stretto.fleet.hub_exchange import Enrolment, ForgetRequestToHub
from stretto.service.configured_ingest import create_ingest
from stretto.service.configured_session_shipper import make_document_maker, make_shipper
from stretto.service.enrolment_file import JOIN_HINT, find_hub_settings
from stretto.shipping.back_off import BackOff
from stretto.shipping.hub_client import HubClient
from stretto.shipping.ship_batches import OPEN_AGE, Shipper
from stretto.sources.redact import redact_id_if_secret
from stretto.state.lock import StateLock, find_lock_holder
from stretto.store import session_queries
from stretto.store.database import open_reader, open_writer
from stretto.store.shipped_sessions import (
    ShippingCounts,
    count_shipping,
    list_refusals,
    mark_all_sessions,
    note_revisions_about_to_ship,
    write_ship_receipts,
)
from stretto.store.store_rescue import describe_aside_store, move_unusable_store_aside

SOME_WAIT = 1
"""Exit code if sessions still wait, or were refused."""

MOST_REFUSALS_SHOWN = 5


def ship_forget_or_show(context: CommandContext, options: argparse.Namespace) -> int:
    """Ship, forget or show, as asked; exit code 1 if sessions wait that should not. Raises StrettoError."""
    enrolment = find_hub_settings(context.config)
    if enrolment is None:
        raise UsageError("this machine is enrolled at no hub", hint=JOIN_HINT)
    if options.forget is not None:
        return _forget_at_hub(context, enrolment, options.forget)
    if not (options.once or options.flush):
        return _show_status(context, enrolment)
    holder = find_lock_holder(context.config.state)
    if holder is not None and holder.address is not None:
        raise ServiceError(
            "the running service ships by itself",
            where=f"http://{holder.address}",
            hint="stretto ship --status shows what waits",
        )
    shipper = make_shipper(context.config, enrolment, find_machine_identity(context.config), read_wall_clock)
    deadline = time.monotonic() + (options.timeout if options.flush else 0)
    return _ship_here(context, shipper, include_open=options.flush, deadline=deadline)


def _ship_here(context: CommandContext, shipper: Shipper, *, include_open: bool, deadline: float) -> int:
    """Bring the store up to date and ship until nothing is due; failures are tried again until a deadline."""
    config = context.config
    with StateLock(config.state):
        aside = move_unusable_store_aside(config.database, config.journal, read_wall_clock())
        if aside is not None:
            context.print_note(describe_aside_store(aside))
        with closing(open_writer(config.database)) as connection:
            ingest = create_ingest(config, connection)
            ingest.reset_if_rules_changed(config.fingerprint)
            ingest_with_progress(ingest, config.journal, context.print_note)
            mark_all_sessions(connection, shipper.made_as)
            fault = _ship_all(connection, shipper, include_open=include_open, deadline=deadline)
            open_before = shipper.find_open_before(include_open=include_open)
            counts = count_shipping(connection, open_before=open_before)
            document = _build_status_document(connection, counts, shipper.url, fault)
    context.print_answer(document, _format_status(document))
    return SOME_WAIT if counts.pending or counts.refused else 0


def _ship_all(
    connection: sqlite3.Connection, shipper: Shipper, *, include_open: bool, deadline: float
) -> HubError | None:
    """Ship batches until nothing is due; return the fault if the hub took nothing up to the deadline."""
    back_off = BackOff(random.random)
    while not (batch := shipper.make_batch(connection, include_open=include_open)).is_empty:
        write_ship_receipts(connection, batch.unchanged)
        if not batch.documents:
            continue
        note_revisions_about_to_ship(connection, batch.attempts)
        try:
            write_ship_receipts(connection, shipper.send_batch(batch))
        except HubError as error:
            pause = back_off.note_failure(error.retry_after)
            if time.monotonic() + pause > deadline:
                return error
            time.sleep(pause)
        else:
            back_off.note_success()
    return None


def _show_status(context: CommandContext, enrolment: Enrolment) -> int:
    try:
        connection = open_reader(context.config.database)
    except StoreError as error:
        raise UsageError("nothing can be shipped yet", cause=error.to_line(), hint=error.hint) from error
    with closing(connection):
        counts = count_shipping(connection, open_before=read_wall_clock() - OPEN_AGE)
        document = _build_status_document(connection, counts, enrolment.hub_url)
    context.print_answer(document, _format_status(document))
    return 0


def _forget_at_hub(context: CommandContext, enrolment: Enrolment, session: str) -> int:
    """Let the hub delete a session, by the hashes that it may have been shipped under."""
    config = context.config
    maker = make_document_maker(config, enrolment, find_machine_identity(config))
    id = redact_id_if_secret(session)
    names = {maker.hider.hide_session(session), maker.hider.hide_session(id)}
    try:
        connection = open_reader(config.database)
    except StoreError:
        pass
    else:
        with closing(connection):
            found = session_queries.find_session_ids(connection, session)
            if len(found) > 1 and id not in found:
                raise UsageError(
                    f"several sessions begin with {session!r}", hint="type more of the id: stretto sessions"
                )
            for each in [id] if id in found else found:
                names |= {maker.hider.hide_session(each), maker.name_session(connection, each)}
    client = HubClient(enrolment.hub_url, enrolment.token)
    with closing(client):
        forgotten = client.forget_sessions(ForgetRequestToHub(tuple(sorted(names))))
    context.print_answer({"forgotten": forgotten}, f"the hub forgot {forgotten} session(s)")
    return 0 if forgotten else SOME_WAIT


def _build_status_document(
    connection: sqlite3.Connection, counts: ShippingCounts, url: str, fault: HubError | None = None
) -> dict[str, Any]:
    return {
        "hub": url,
        "pending": counts.pending,
        "shipped": counts.shipped,
        "refused": counts.refused,
        "last_shipped": None if counts.last is None else to_rfc3339(counts.last),
        "refusals": [
            {"session": session, "why": why}
            for session, why in list_refusals(connection, MOST_REFUSALS_SHOWN)
        ],
        "fault": None if fault is None else fault.to_line(),
    }


def _format_status(document: dict[str, Any]) -> str:
    last = document["last_shipped"] or "never"
    lines = [
        f"hub      {document['hub']}",
        f"pending  {document['pending']} session(s)",
        f"shipped  {document['shipped']} session(s), last {last}",
    ]
    if document["refused"]:
        lines.append(f"refused  {document['refused']} session(s)")
        lines += [f"  {each['session']}: {each['why']}" for each in document["refusals"]]
    if document["fault"]:
        lines.append(f"fault    {document['fault']}")
    return "\n".join(lines)
