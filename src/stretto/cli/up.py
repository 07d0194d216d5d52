"""``stretto up``: start the service and its servers, print their addresses, and stop all at the end."""

from __future__ import annotations

import argparse
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from opentelemetry.sdk.resources import OTELResourceDetector

from stretto.cli.command_context import CommandContext
from stretto.cli.demo_month_folder import make_month_context, write_month
from stretto.cli.first_import import find_prompt, import_history, list_histories_of_agents_without_hooks
from stretto.cli.follow_agent_histories import HistoryWatch
from stretto.cli.hooks import describe_hooks, find_hook_status
from stretto.cli.ingest_progress import IngestProgress
from stretto.cli.listen_until_stopped import bind_address, describe_stop, interrupt_on_sigterm
from stretto.cli.load_and_save_gate_baselines import GATES
from stretto.cli.machine_identity import build_push_configuration, find_machine_identity
from stretto.cli.make_mcp_endpoint_for_service import make_mcp_endpoint
from stretto.clock import read_wall_clock
from stretto.config.configuration import Config
from stretto.errors import UsageError
from stretto.fleet.identity import MachineIdentity
from stretto.gates.service_baseline_folder import BaselineFolder
from stretto.names.summable_machine_metrics import FLEET_PROFILE
from stretto.notifications.alert_states_from_notifications import describe_alerting_gap
from stretto.notifications.notification_log import NotificationLog
from stretto.notifications.spoken_and_desktop_alerts import AnnouncementSettings, Announcer
from stretto.operations.operation_runner import OperationRunner
from stretto.otlp_export.metrics_push import (
    MetricsPush,
    build_metric_exporter,
    is_push_wanted,
    read_push_interval,
)
from stretto.otlp_export.span_sender import build_sender
from stretto.servers.merge_receivers import check_receivers, read_receivers
from stretto.servers.push_agent import prepare_push_agent
from stretto.servers.supervised_server_password import ServerCredentials, ensure_credentials, write_private
from stretto.servers.supervisor import (
    SupervisedServer,
    Supervisor,
    check_limits,
    explain_missing,
    find_free_address,
    find_program,
    find_shipped_folder,
    prepare_alertmanager,
    prepare_prometheus,
    stop_leftovers,
)
from stretto.service.enrolment_file import find_hub_settings
from stretto.service.service import Service
from stretto.shipping.ship_batches import Shipper
from stretto.sources.histories.folders import HistoryFolder
from stretto.state.lock import StateLock
from stretto.store.prune import refuse_impossible_cap
from stretto.store.store_rescue import describe_aside_store
from stretto.version import describe_extra_install, read_version
from stretto.web.app import Backend, create_app
from stretto.web.connection_bounds import ConnectionBounds, find_most_connections
from stretto.web.grpc_server import PORT as OTLP_GRPC_PORT
from stretto.web.grpc_server import start_grpc_server
from stretto.web.http_server import serve_http

INSTANCE_ATTRIBUTE = "service.instance.id"
"""The resource attribute that keeps machines apart (OpenTelemetry's semantic conventions)."""

OTLP_HTTP_PORT = 4318
"""The port of OTLP over HTTP (OTLP specification), to which SDKs send unless they are configured."""


def run_service_and_servers(context: CommandContext, options: argparse.Namespace) -> int:
    """Run until Ctrl-C or SIGTERM, then stop everything that was started."""
    shows_month = options.demo == "month"
    context = _adapt_to_month(context, options) if shows_month else context
    config = context.config
    # The HTTP server re-raises a signal after it has stopped; the exception then stops the rest in order.
    interrupt_on_sigterm()
    # The servers' rules are written where servers run; operations read the limits in any case.
    check_limits(config.alert_limits)
    refuse_impossible_cap(config.journal, config.retention, read_wall_clock())
    lock = StateLock(config.state)
    lock.acquire(config.address)
    try:
        # Before anything starts, so that a port in use is reported clearly.
        listener = bind_address(
            config.host,
            config.port,
            named=config.address,
            hint="choose another with --listen HOST:PORT or STRETTO_LISTEN",
        )
        if shows_month:
            write_month(config.state, read_wall_clock())
        _run_service(context, options, listener, is_simulated=shows_month)
    finally:
        lock.release()
    return 0


def _run_service(
    context: CommandContext, options: argparse.Namespace, listener: socket.socket, *, is_simulated: bool
) -> None:
    """Run everything on a locked state folder until it is interrupted."""
    config = context.config
    history = import_history(context, options.history, find_prompt())
    sender = build_sender(context.environ)
    identity = find_machine_identity(config)
    resource = _describe_resource(identity)
    service = Service(
        config,
        version=read_version(),
        clock=read_wall_clock,
        sender=sender,
        resource=resource,
        identity=identity,
        hub=None if is_simulated else _find_hub(config, identity),
    )
    followed = list_histories_of_agents_without_hooks(context, options.history)
    watch = HistoryWatch(config, followed, read_wall_clock)
    if service.worker.aside is not None:
        context.print_note(describe_aside_store(service.worker.aside))
    try:
        service.start(demo_wanted=options.demo == "recording", report=IngestProgress(context.print_note))
        watch.start()
        supervisor, notes = _create_servers(config, identity, wanted=not options.no_servers)
        if sender.problem:
            notes.append(sender.problem)
        bounds = ConnectionBounds(find_most_connections())
        backend = _build_backend(
            config,
            service,
            lambda: [*notes, *supervisor.list_problems(), *backend.faults()],
            lambda: [*service.list_problems(), *filter(None, [bounds.describe_problem()])],
            is_simulated=is_simulated,
        )
        service.on_snapshot(backend.updates.announce_snapshot)
        for line in _format_greeting(
            context, service, supervisor, [*history, *_describe_followed(followed), *notes]
        ):
            context.print_note(line)
        if is_simulated:
            context.print_note("  the page shows a simulated month: nothing is received, sent or announced")
        with ExitStack() as stack:
            listeners = [listener]
            if options.otlp_ports:
                listeners.append(
                    bind_address(
                        config.host,
                        OTLP_HTTP_PORT,
                        named=f"port {OTLP_HTTP_PORT}",
                        hint="another collector may listen there; leave out --otlp-ports",
                    )
                )
                context.print_note(_start_grpc(config, service, stack))
            supervisor.start()
            stack.callback(supervisor.stop)
            if is_push_wanted(context.environ):
                push = MetricsPush(
                    build_metric_exporter(),
                    service.collect_own_metrics,
                    resource=resource,
                    clock=read_wall_clock,
                    interval=read_push_interval(context.environ),
                )
                stack.callback(push.close)
            serve_http(
                create_app(backend), backend.updates, listeners, bounds, service.intake.count_grpc_attempt
            )
    except KeyboardInterrupt as stop:
        context.print_note(describe_stop(stop))
    finally:
        watch.close()
        service.stop()


def _find_hub(config: Config, identity: MachineIdentity) -> Shipper | None:
    """Return what ships sessions to the hub; None if the machine is enrolled at none. Raises ConfigError."""
    enrolment = find_hub_settings(config)
    if enrolment is None:
        return None
    from stretto.service.configured_session_shipper import make_shipper  # noqa: PLC0415  # an HTTP client, only with a hub

    return make_shipper(config, enrolment, identity, read_wall_clock)


def _describe_followed(folders: Sequence[HistoryFolder]) -> Iterator[str]:
    """Yield a sentence about the histories that are followed, if there are any."""
    if folders:
        names = ", ".join(folder.title for folder in folders if folder.path.is_dir())
        yield f"following the histories of agents without hooks ({names or 'none yet'})"


def _adapt_to_month(context: CommandContext, options: argparse.Namespace) -> CommandContext:
    """Leave out what would read, receive or tell anything real. Raises UsageError for wishes that need it."""
    if options.otlp_ports or options.push:
        raise UsageError(
            "a simulated month receives and sends nothing", hint="omit --otlp-ports, --push or --demo month"
        )
    options.history = "no"
    options.no_servers = True
    return make_month_context(context)


def _describe_resource(identity: MachineIdentity) -> dict[str, str]:
    """Return what spans and metrics are said to come from.

    Reads OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, as every OpenTelemetry program does.
    """
    named = {name: str(value) for name, value in OTELResourceDetector().detect().attributes.items()}
    return {INSTANCE_ATTRIBUTE: identity.instance, **named}


def _start_grpc(config: Config, service: Service, stack: ExitStack) -> str:
    """Start the gRPC receiver if its package is installed, and return the sentence about it."""
    if find_spec("grpc") is None:
        install = describe_extra_install("grpc")
        return f"OTLP over HTTP on port {OTLP_HTTP_PORT}; for gRPC on {OTLP_GRPC_PORT}: {install}"
    host = f"[{config.host}]" if ":" in config.host else config.host
    stack.callback(start_grpc_server(f"{host}:{OTLP_GRPC_PORT}", service.intake.receive_otlp, config.token))
    return f"OTLP over HTTP on port {OTLP_HTTP_PORT}, over gRPC on port {OTLP_GRPC_PORT}"


def _create_servers(
    config: Config, identity: MachineIdentity, *, wanted: bool
) -> tuple[Supervisor, list[str]]:
    """Return the supervisor of the installed servers, and notes on the missing servers."""
    if not wanted and config.fleet_push_url is None:
        return Supervisor(()), []
    notes: list[str] = []
    receivers = read_receivers(config.receivers) if config.receivers else None
    if receivers is not None:
        check_receivers(receivers)
    folder = config.state / "servers"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    stop_leftovers(folder)
    token_file = _write_token_file(config, folder)
    credentials = ensure_credentials(folder)
    addresses = {
        "stretto": config.address,
        "page": config.link_url,
        "prometheus": find_free_address("127.0.0.1", config.prometheus_port),
        "alertmanager": find_free_address("127.0.0.1", config.alertmanager_port),
    }
    servers: list[SupervisedServer] = []
    makers: dict[str, Callable[[str, dict[str, str], Path, ServerCredentials], SupervisedServer]] = {
        "prometheus": partial(prepare_prometheus, limits=config.alert_limits),
        "alertmanager": partial(prepare_alertmanager, receivers=receivers),
    }
    if not config.features.is_on("alerting"):
        del makers["alertmanager"]
        notes.append("alerting is switched off: stretto features list")
    for name, make in makers.items() if wanted else ():
        program = find_program(name)
        if program is None:
            notes.append(explain_missing(name))
        else:
            servers.append(make(program, addresses, token_file, credentials))
    if config.fleet_push_url is not None:
        program = find_program("prometheus")
        if program is None:
            notes.append(f"nothing is pushed: {explain_missing('prometheus')}")
        else:
            configuration = build_push_configuration(config, identity, str(token_file))
            address = find_free_address("127.0.0.1", 0)
            servers.append(prepare_push_agent(program, address, configuration, credentials))
            if identity.team is None:
                notes.append("no team is set: the rules of a fleet leave this machine out (STRETTO_TEAM)")
    return Supervisor(servers), notes


def _write_token_file(config: Config, folder: Path) -> Path:
    """Write the token to a file that only the servers read, and return its path; empty without a token."""
    path = folder / "token"
    write_private(path, config.token or "")
    return path


def _build_backend(
    config: Config,
    service: Service,
    problems: Callable[[], list[str]],
    faults: Callable[[], list[str]] | None = None,
    *,
    is_simulated: bool = False,
) -> Backend:
    alerting = config.features.is_on("alerting")
    log = NotificationLog(config.state / "notifications.jsonl")
    announcer = Announcer(
        AnnouncementSettings(config.speak_alerts and alerting, config.desktop_alerts and alerting),
        earlier=log.list_newest(),
    )
    operations = OperationRunner(
        service.make_operation_sources(
            log.list_newest, lambda: describe_alerting_gap(log.watchdog_heard, service.clock())
        )
    )
    return Backend(
        snapshot=lambda: service.snapshot,
        windowed_snapshot=service.answers.get_windowed_snapshot,
        sessions=service.answers.find_sessions,
        fanouts=service.answers.list_fanouts,
        run_profile=service.answers.read_run_profile,
        task_profile=service.answers.read_task_profile,
        task_runs=service.answers.read_task_runs,
        activity=service.answers.read_activity,
        session_summary=service.answers.summarise_session,
        trends=service.answers.summarise_trends,
        baselines=service.answers.list_baselines,
        self_figures=service.list_own_figures,
        expose=service.expose_metrics,
        # A team's engine that scrapes this address must not gather what is simulated.
        profiles={} if is_simulated else {FLEET_PROFILE: service.expose_fleet_metrics},
        append_hook=service.intake.append_hook,
        append_scores=service.append_scores,
        receive_otlp=service.intake.receive_otlp,
        notifications=log,
        gate_baselines=BaselineFolder(config.state / GATES),
        announce=announcer.announce,
        problems=lambda: [*problems(), *announcer.missing],
        faults=faults or service.list_problems,
        unready=service.find_unready_reason,
        request_rebuild=service.request_rebuild,
        rebuild_document=service.get_rebuild_document,
        findings=service.get_findings,
        budgets=service.list_budgets,
        past_findings=service.read_past_findings,
        operations=operations,
        make_mcp_endpoint=make_mcp_endpoint(operations, service),
        append_decision=service.append_decision,
        expected_tasks=service.list_expected_tasks,
        expected_fanouts=service.list_expected_fanouts,
        feed_input=lambda: service.read_feed_input(log),
        reports=lambda: [*service.reports.folder.list_reports()],
        report=service.reports.folder.read_report,
        writes_reports=service.reports.is_on,
        request_forget=service.request_forget,
        clock=service.clock,
        forget_document=service.get_forget_document,
        runbook=_read_runbook,
        alerts=lambda: sorted(_find_runbooks()),
        version=read_version(),
        features=config.features,
        is_simulated=is_simulated,
        token=config.token,
        hosts=frozenset(config.hosts),
    )


def _read_runbook(alert: str) -> str | None:
    """Return the runbook page of an alert. The name is untrusted, so it is never joined to a path."""
    page = _find_runbooks().get(alert)
    return None if page is None else page.read_text(encoding="utf-8")


def _find_runbooks() -> dict[str, Path]:
    return {path.stem: path for path in find_shipped_folder("runbook").glob("Stretto*.md")}


def _format_greeting(
    context: CommandContext, service: Service, supervisor: Supervisor, notes: list[str]
) -> list[str]:
    config = context.config
    lines = [f"stretto {read_version()}: {config.url}  (state in {config.state})"]
    lines += [f"  {server.name}: http://{server.address}" for server in supervisor.servers]
    if supervisor.servers:
        lines.append("  their user and password: stretto servers")
    lines += [f"  {note}" for note in notes]
    snapshot = service.snapshot
    if snapshot is not None and snapshot.activity.recordings:
        lines.append("  the page shows a recording; it is removed when your first session arrives")
    lines.append(f"  {describe_hooks(find_hook_status(context))}")
    lines.append("  Ctrl-C stops everything")
    return lines
