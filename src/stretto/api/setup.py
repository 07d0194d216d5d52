"""Set up an OpenTelemetry SDK for a program without one: spans go to the journal or are sent by OTLP.

A host program that has an SDK keeps it. The blocks use that SDK, and our processors are added only on
request.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.context import attach, get_current
from opentelemetry.sdk.environment_variables import OTEL_TRACES_SAMPLER
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider, set_tracer_provider

from stretto.api.cache_counters import report_all
from stretto.api.context import read_context, set_inherited_context
from stretto.api.journal_exporter import JournalSpanExporter, JournalSpanProcessor, SessionStamp
from stretto.api.sigterm_flush import flush_on_sigterm
from stretto.api.span_block import DISABLED
from stretto.api.written_files import set_state_folder
from stretto.features.feature_state_in_program import find_program_collection
from stretto.state.find_folder import find_state_folder

FLUSH_SECONDS = 5.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SpanDestinations:
    """The destinations of spans; with the defaults, spans go to none of our destinations."""

    journal: Path | None = None
    """The journal's folder."""
    otlp: bool = False
    """Whether spans are sent by OTLP, to ``endpoint`` or to the address in the standard variables."""
    host: bool = False
    """Whether the SDK is the host program's own."""


@dataclass(slots=True)
class _Configured:
    """The options of the first ``configure`` call, and its result."""

    setup: SpanDestinations
    options: Mapping[str, Any]


_lock = Lock()
_done: _Configured | None = None


def configure(
    *,
    state: str | os.PathLike[str] | None = None,
    endpoint: str | None = None,
    service: str | None = None,
    add_to_host: bool = False,
    join: bool = True,
    flush_at_sigterm: bool | None = None,
) -> SpanDestinations:
    """Set up an SDK if the program has none, and return where spans go. A second call changes nothing.

    Spans go to the journal in ``state`` (else ``STRETTO_STATE``, else the default state folder). They are
    sent by OTLP instead if ``endpoint`` (the base, as in ``http://127.0.0.1:4318``) is given, or if
    ``OTEL_EXPORTER_OTLP_ENDPOINT`` or ``OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`` is set. If ``state`` is given as
    well, they go to both. A thread writes spans to the journal a quarter of a second after their start and
    end, and the rest at the program's exit. ``service`` is the program's name (else ``OTEL_SERVICE_NAME``).

    An existing SDK is left alone; ``add_to_host`` adds the same processors to it. With ``join`` the program
    joins the trace and the session of its parent process (see ``stretto.environ``). With ``flush_at_sigterm``
    (else ``STRETTO_FLUSH_AT_SIGTERM=1``) SIGTERM writes and sends what waits before it ends the program.
    ``STRETTO_DISABLED=1`` or ``OTEL_SDK_DISABLED=true`` disables recording.
    """
    global _done  # noqa: PLW0603  # a process has a single SDK
    with _lock:
        if _done is None:
            setup = _configure_sdk(state, endpoint, service, os.environ, add_to_host=add_to_host, join=join)
            options = {"state": state, "endpoint": endpoint, "service": service, "join": join}
            _done = _Configured(setup, {**options, "add_to_host": add_to_host})
            wanted = flush_at_sigterm
            if wanted is None:
                wanted = os.environ.get("STRETTO_FLUSH_AT_SIGTERM", "").strip() == "1"
            if wanted and setup != SpanDestinations():
                flush_on_sigterm(flush)
        return _done.setup


def flush(timeout_seconds: float = FLUSH_SECONDS) -> bool:
    """Write and send all waiting spans; return whether all were sent in time."""
    report_all()
    force_flush = getattr(get_tracer_provider(), "force_flush", None)
    return force_flush is None or bool(force_flush(round(timeout_seconds * 1000)))


def get_chosen_options() -> Mapping[str, Any] | None:
    """Return the options of ``configure`` in this process, or None if it was not called."""
    return None if _done is None else _done.options


def _configure_sdk(
    state: str | os.PathLike[str] | None,
    endpoint: str | None,
    service: str | None,
    environ: Mapping[str, str],
    *,
    add_to_host: bool,
    join: bool,
) -> SpanDestinations:
    """Set up the SDK and return where spans go.

    Example: without an SDK, endpoint and state, spans go to ~/.local/state/stretto/journal. With an SDK of
    the host and without ``add_to_host``, no processor is added.
    """
    set_state_folder(state)
    if DISABLED or environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return SpanDestinations()
    provider = get_tracer_provider()
    is_host = not isinstance(provider, ProxyTracerProvider)
    if join:
        context = read_context(environ)
        set_inherited_context(context)
        if context and not is_host:
            # Spans of other instrumentations join too, in this thread and the threads it starts.
            attach(type(context)({**context, **get_current()}))
    if is_host and not (add_to_host and isinstance(provider, TracerProvider)):
        if add_to_host:
            _log.warning("the tracer provider in use accepts no span processors: nothing was added to it")
        return SpanDestinations(host=True)
    setup, destinations = _make_processors(state, endpoint, environ)
    if not isinstance(provider, TracerProvider):
        provider = _make_provider(service, environ, journal=setup.journal is not None)
    for processor in (SessionStamp(), *destinations):
        provider.add_span_processor(processor)
    if not is_host:
        set_tracer_provider(provider)
    _flush_in_worker_processes()
    return SpanDestinations(setup.journal, setup.otlp, is_host)


def _make_provider(service: str | None, environ: Mapping[str, str], *, journal: bool) -> TracerProvider:
    # The journal must hold all work, including the work that the caller's trace does not sample.
    sampler = ALWAYS_ON if journal and not environ.get(OTEL_TRACES_SAMPLER) else None
    return TracerProvider(sampler, Resource.create({"service.name": service} if service else None))


def _make_processors(
    state: str | os.PathLike[str] | None, endpoint: str | None, environ: Mapping[str, str]
) -> tuple[SpanDestinations, list[SpanProcessor]]:
    processors: list[SpanProcessor] = []
    sender = _make_sender(endpoint, environ)
    if sender is not None:
        processors.append(sender)
    folder = None
    if sender is None or state is not None:
        home = Path(os.path.expanduser("~"))  # noqa: PTH111  # Path.home() raises without a home folder
        folder = (
            find_state_folder(environ, home, os.fspath(state) if state is not None else None)[0] / "journal"
        )
        processors.append(
            JournalSpanProcessor(JournalSpanExporter(folder, collection=find_program_collection(environ)))
        )
    return SpanDestinations(folder, sender is not None), processors


def _make_sender(endpoint: str | None, environ: Mapping[str, str]) -> SpanProcessor | None:
    """Return the processor that sends by OTLP, or None if OTLP is not configured or not possible."""
    if endpoint is None and read_otlp_setting(environ, "ENDPOINT") is None:
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415  # loads an HTTP client
        OTLPSpanExporter,
    )

    if endpoint is not None:
        return BatchSpanProcessor(OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces"))
    protocol = read_otlp_setting(environ, "PROTOCOL") or "http/protobuf"
    if protocol != "http/protobuf":
        address = read_otlp_setting(environ, "ENDPOINT") or ""
        if not _is_local(address):
            raise ValueError(
                f"spans for {address} cannot be sent by {protocol}: set"
                " OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf and the receiver's port for HTTP, usually 4318"
            )
        _log.warning("spans can be sent by http/protobuf only, not by %s: they go to the journal", protocol)
        return None
    return BatchSpanProcessor(OTLPSpanExporter())


def _is_local(address: str) -> bool:
    """Return whether an address is this machine's: its journal holds what cannot be sent there."""
    host = urlsplit(address if "//" in address else f"//{address}").hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


def read_otlp_setting(environ: Mapping[str, str], name: str) -> str | None:
    """Return a standard OTLP setting; the setting for traces wins, and an empty value is unset."""
    for variable in (f"OTEL_EXPORTER_OTLP_TRACES_{name}", f"OTEL_EXPORTER_OTLP_{name}"):
        value = environ.get(variable, "").strip()
        if value:
            return value
    return None


def _flush_in_worker_processes() -> None:
    """Make processes of ``multiprocessing`` write waiting spans before they end: they skip ``atexit``."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_register_worker_flush)


def _register_worker_flush() -> None:
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        # The worker still has its parent's finalizers here, and drops them before it registers its own.
        util.register_after_fork(flush, _flush_at_worker_exit)


def _flush_at_worker_exit(_: object) -> None:
    sys.modules["multiprocessing.util"].Finalize(None, flush, exitpriority=1)
