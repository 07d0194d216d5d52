"""Find and save the baselines of ``stretto gate``: files, the repository's, our own, a service's by HTTP."""

from __future__ import annotations

import json
import os
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from stretto.cli.command_context import CommandContext
from stretto.cli.http_client import get_response
from stretto.config.configuration import LOOPBACK
from stretto.errors import ServiceError, UsageError
from stretto.gates.benchmark_measurements import (
    MeasurementError,
    Measurements,
    from_document,
    to_document,
    write_baseline,
)
from stretto.gates.read_benchmark_reports import read_reports
from stretto.gates.service_baseline_folder import BaselineFolder
from stretto.web.gate_baseline_routes import PATH

GATES = "gates"
"""The folder of baselines in the state folder."""

REPOSITORY_FOLDER = Path(".stretto") / "baselines"
TIMEOUT = 30.0
"""Seconds that a service elsewhere may take; it may have to be woken."""


def load_baseline(context: CommandContext, name: str, service: str | None) -> Measurements:
    """Return a baseline: of a path, else of the repository, else of the service or our own folder.

    Raises MeasurementError if there is none, ServiceError if the service does not answer.
    """
    own = BaselineFolder(context.config.state / GATES)
    places = [Path(name), REPOSITORY_FOLDER / f"{name}.json"]
    if service is None and not _is_path(name):
        places.append(own.find_path(name))
    for place in places:
        if place.exists():
            return read_reports(place)
    searched, where_to = [*map(str, places)], ""
    if service is not None:
        document = _ask_service(context, service, "GET", name)
        if document is not None:
            return from_document(document, service)
        searched.append(service)
        where_to = f" --service {service}"
    raise MeasurementError(
        f"there is no baseline {name}",
        where=", ".join(searched),
        hint=f"save it first: stretto gate REPORT --save {name}{where_to}",
    )


def save_baseline(
    context: CommandContext, name: str, measurements: Measurements, service: str | None
) -> None:
    """Keep a baseline: in a file if the name looks like a path, else in the service or our own folder."""
    if _is_path(name):
        write_baseline(Path(name), measurements)
    elif service is not None:
        _ask_service(context, service, "PUT", name, json.dumps(to_document(measurements)).encode())
    else:
        BaselineFolder(context.config.state / GATES).write_baseline(name, measurements)


def _is_path(name: str) -> bool:
    return name.endswith(".json") or os.sep in name


def _ask_service(
    context: CommandContext, service: str, method: str, name: str, body: bytes | None = None
) -> Any:
    """Return the service's answer, or None if it has no such baseline. Raises ServiceError, UsageError."""
    url = urlsplit(service)
    if url.scheme not in {"http", "https"} or not url.netloc:
        raise UsageError(
            f"{service!r} is no address of a service",
            hint="for example --service https://stretto.example.org",
        )
    if context.config.token and url.scheme == "http" and url.hostname not in LOOPBACK:
        raise UsageError(
            f"the token would go to {url.netloc} unencrypted",
            hint="name the service with https://, or unset STRETTO_TOKEN if it asks for none",
        )
    answer = get_response(
        url.netloc,
        f"{url.path.rstrip('/')}{PATH}/{quote(name, safe='')}",
        context.config.token,
        method=method,
        body=body,
        is_secure=url.scheme == "https",
        timeout=TIMEOUT,
    )
    if answer is None:
        raise ServiceError("the service does not answer", where=service, hint="see whether it runs there")
    status, text = answer
    if status == HTTPStatus.NOT_FOUND:
        return None
    if status == HTTPStatus.UNAUTHORIZED:
        raise ServiceError(
            "the service refuses the token", where=service, hint="set STRETTO_TOKEN to its token"
        )
    try:
        document = json.loads(text)
        problem = None if status == HTTPStatus.OK else str(document["error"])
    except (ValueError, KeyError, TypeError):
        problem = text.strip()[:200]
    if problem is not None:
        raise ServiceError("the service refuses", where=service, cause=f"{status}: {problem}")
    return document
