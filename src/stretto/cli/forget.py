"""``stretto forget``: erase sessions from everything that Stretto keeps, and say what cannot be recalled."""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from typing import Any

from stretto.cli.command_context import CommandContext
from stretto.cli.http_client import wait_for_work
from stretto.cli.rebuild import rebuild_store
from stretto.errors import UsageError
from stretto.service.forgetting import (
    ForgetRequest,
    build_erasure_document,
    compact_store,
    erase_sessions_before_rebuild,
)
from stretto.state.lock import StateLock, find_lock_holder
from stretto.store.database import open_writer

NOT_FOUND = 1

PATH = "/api/forget"


def forget_sessions(context: CommandContext, options: argparse.Namespace) -> int:
    """Erase a session, or all sessions of a project; a running service does it itself."""
    request = ForgetRequest(options.session, options.project)
    holder = find_lock_holder(context.config.state)
    if holder is not None and holder.address is not None:
        document = _forget_in_service(context, request, holder.address)
    else:
        document = _forget_here(context, request)
    if not document["sessions"] and not document["events"] and not document["kept_records"]:
        context.print_answer(document, "there is no such session")
        return NOT_FOUND
    counts = (
        f"{document['events']} events, {document['kept_records']} kept records,"
        f" {len(document['baselines'])} baselines"
    )
    lines = [f"forgot {len(document['sessions'])} session(s): {counts}"]
    lines += [f"  not recalled: {sentence}" for sentence in document["not_recalled"]]
    context.print_answer(document, "\n".join(lines))
    return 0


def _forget_here(context: CommandContext, request: ForgetRequest) -> dict[str, Any]:
    config = context.config
    with StateLock(config.state):
        erasure = erase_sessions_before_rebuild(config, request)
    if not erasure.is_empty:
        rebuild_store(context)
        with StateLock(config.state), closing(open_writer(config.database)) as connection:
            compact_store(connection, erasure.sessions)
    return build_erasure_document(erasure)


def _forget_in_service(context: CommandContext, request: ForgetRequest, address: str) -> dict[str, Any]:
    """Let the running service forget, and wait until its store is made again without the sessions."""
    document = wait_for_work(
        address,
        PATH,
        context.config.token,
        _raise_refusal,
        failure="the running service did not forget",
        hint="see 'stretto doctor', or stop it and try again",
        body=json.dumps({"session": request.session, "project": request.project}).encode(),
    )
    return {name: value for name, value in document.items() if name != "state"}


def _raise_refusal(document: dict[str, Any]) -> None:
    if document["state"] == "refused":
        raise UsageError(document["error"], hint=document["hint"])
