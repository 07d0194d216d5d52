"""``stretto OPERATION``: ask the running service, or work the answer out here, and print it as a page."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any
from urllib.parse import urlencode

from stretto.cli.command_context import CommandContext, replace_controls
from stretto.cli.http_client import get_response
from stretto.cli.import_command import update_store
from stretto.cli.operation_text import format_envelope
from stretto.cli.time_args import parse_since
from stretto.clock import SECOND, read_wall_clock
from stretto.format.rfc3339 import to_exact_rfc3339
from stretto.notifications.notification_log import read_notifications
from stretto.operations.envelope import SUCCESS
from stretto.operations.operation_errors import ErrorCode
from stretto.operations.operation_runner import OperationRunner
from stretto.operations.operation_table import OPERATIONS
from stretto.service.operation_sources_of_a_store import make_store_sources
from stretto.state.lock import find_lock_holder

PATIENCE_SECONDS = 90.0
"""How long the service may take: an analysis of a day in the past is worked out first."""

EXIT_CODES = {
    ErrorCode.UNKNOWN_WORKFLOW: 1,
    ErrorCode.INVALID_OPTIONS: 2,
    ErrorCode.INSUFFICIENT_PERFORMANCE_DATA: 4,
}
"""Code of an error → exit code; any other is 3, the environment."""


def run_operation(context: CommandContext, options: argparse.Namespace) -> int:
    """Print the answer of an operation; with ``--follow`` again at its rhythm, until Ctrl-C."""
    at = None if options.at is None else parse_since(options.at, read_wall_clock(), "--at")
    ask = OperationAsker(context)
    given = _parse_options(options.options)
    envelope = ask.ask_operation(options.operation, options.workflow, given, at)
    if not getattr(options, "follow", False) or envelope["status"] != SUCCESS:
        return _print_envelope(context, envelope)
    operation = OPERATIONS[options.operation]
    rhythm = operation.read_options(given)[str(operation.rhythm)] / SECOND
    while True:
        page = replace_controls(format_envelope(envelope))
        print(json.dumps(envelope, ensure_ascii=False) if context.json else page, flush=True)
        time.sleep(rhythm)
        envelope = ask.ask_operation(options.operation, options.workflow, given, at)


def _parse_options(text: str) -> object:
    """Return the options; a text that is no JSON stays a text, which the operation refuses."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _print_envelope(context: CommandContext, envelope: dict[str, Any]) -> int:
    if envelope["status"] == SUCCESS:
        context.print_answer(envelope, format_envelope(envelope))
        return 0
    if context.json:
        context.print_answer(envelope, "")
    else:
        context.print_note(format_envelope(envelope))
    return EXIT_CODES.get(ErrorCode(envelope["error"]["code"]), 3)


class OperationAsker:
    """Asks the running service; without one it reads the store itself."""

    def __init__(self, context: CommandContext) -> None:
        self._context = context
        self._runner: OperationRunner | None = None

    def ask_operation(
        self, name: str, workflow: str | None, options: object, at: int | None
    ) -> dict[str, Any]:
        """Return the envelope of an operation."""
        config = self._context.config
        holder = find_lock_holder(config.state)
        if holder is not None and holder.address is not None:
            answer = ask_service(holder.address, config.token, name, workflow, options, at)
            if answer is not None:
                return answer
            self._context.print_note(f"the service at {holder.address} does not answer: reading the store")
        if self._runner is None:
            if holder is None:
                update_store(self._context)
            log = config.state / "notifications.jsonl"
            sources = make_store_sources(config, read_wall_clock, lambda: read_notifications(log))
            self._runner = OperationRunner(sources)
        return self._runner.run_operation(name, workflow, options, at)


def ask_service(  # noqa: PLR0917  # all that a question is made of
    address: str, token: str | None, name: str, workflow: str | None, options: object, at: int | None
) -> dict[str, Any] | None:
    """Return the envelope that a running service answers; None without a valid answer."""
    query = {"options": json.dumps(options)}
    if workflow is not None:
        query["workflow"] = workflow
    if at is not None:
        query["at"] = to_exact_rfc3339(at)
    path = f"/api/operations/{name}?{urlencode(query)}"
    response = get_response(address, path, token, timeout=PATIENCE_SECONDS)
    if response is None:
        return None
    try:
        envelope = json.loads(response[1])
    except ValueError:
        return None
    return envelope if isinstance(envelope, dict) and "status" in envelope else None
