"""``stretto hub``: run the hub of a team, keep the tokens of its machines, and let Grafana read."""

from __future__ import annotations

import argparse
import secrets
import threading
from contextlib import suppress
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from prometheus_client import start_http_server

from stretto.cli.command_context import CommandContext
from stretto.cli.listen_until_stopped import bind_address, describe_stop, interrupt_on_sigterm
from stretto.clock import read_wall_clock, to_rfc3339
from stretto.errors import EngineError, UsageError
from stretto.fleet.hub_exchange import LEAST_KEY_BYTES, Enrolment
from stretto.hub.access_tokens import ALL_TEAMS, AccessToken, TokenRole, hash_token
from stretto.hub.engine_opening import HubDatabase, open_engine
from stretto.hub.grant_database_reader import write_reader_statements
from stretto.hub.hub_app import HubApp
from stretto.hub.open_scopes import OpenScopes
from stretto.hub.received_documents_collector import make_receive_registry
from stretto.servers.supervised_server_password import write_private
from stretto.version import read_version
from stretto.web.connection_bounds import ConnectionBounds, find_most_connections
from stretto.web.http_server import serve_http
from stretto.web.live_updates import UpdateStreams

DATABASE_VARIABLE = "STRETTO_HUB_DATABASE"
"""The variable of the database's URL: a password in it is better not seen in a list of processes."""

RELEASE_SECONDS = 300.0
"""Pause between two looks at which days are to be released."""

SHOWN_DIGITS = 12
"""Digits of a token's hash by which people name it."""


def run_hub(context: CommandContext, options: argparse.Namespace) -> int:
    """Answer requests until Ctrl-C or SIGTERM. Raises EngineError if the database cannot be used."""
    host, port = _parse_address(options.hub_listen)
    if not _is_loopback(host) and not options.behind_proxy:
        raise UsageError(
            "a hub that others reach needs TLS",
            where=options.hub_listen,
            hint="end TLS in a proxy and give --behind-proxy, or listen on 127.0.0.1",
        )
    interrupt_on_sigterm()
    database = _open_database(context, options)
    folder = Path(options.cache) if options.cache else context.config.state / "hub"
    hosts = frozenset[str](options.host_name)
    scopes = OpenScopes(
        context.config,
        folder / name_store_folder(_find_url(context, options)),
        database,
        clock=read_wall_clock,
        version=read_version(),
        hosts=hosts,
    )
    app = HubApp(database, scopes, clock=read_wall_clock, hosts=hosts, is_behind_proxy=options.behind_proxy)
    scraped = None if options.metrics_listen is None else _parse_address(options.metrics_listen)
    stopping = threading.Event()
    releasing = threading.Thread(target=_release_days, args=(context, app, stopping), daemon=True)
    try:
        listener = bind_address(
            host, port, named=f"{host}:{port}", hint="choose another with --listen HOST:PORT"
        )
        if scraped is not None:
            _expose_metrics(*scraped, app)
        releasing.start()
        bounds = ConnectionBounds(find_most_connections())
        context.print_note(f"stretto hub {read_version()}: http://{host}:{listener.getsockname()[1]}")
        serve_http(app, UpdateStreams(), [listener], bounds, lambda: None)
    except KeyboardInterrupt as stop:
        context.print_note(describe_stop(stop))
    finally:
        stopping.set()
        scopes.close()
        database.close()
    return 0


def add_token(context: CommandContext, options: argparse.Namespace) -> int:
    """Make a token and print the enrolment file of a machine: it is shown once, and only its hash is kept."""
    role = TokenRole(options.role)
    if options.team == ALL_TEAMS and role is not TokenRole.LEAD:
        raise UsageError("only a lead has all teams", hint="name the team, or give --role lead")
    token = secrets.token_urlsafe(32)
    database = _open_database(context, options)
    try:
        database.add_token(
            AccessToken(
                hash=hash_token(token),
                tenant=options.tenant,
                team=options.team,
                owner=options.owner,
                role=role,
                opted_in=options.opted_in,
                added=read_wall_clock(),
            )
        )
    finally:
        database.close()
    if role is not TokenRole.ME or options.key_file is None:
        context.print_answer({"token": token}, token)
        if role is TokenRole.ME:
            context.print_note("a machine needs the tenant's key too: --key-file FILE prints its enrolment")
        return 0
    enrolment = Enrolment(hub_url=options.url, token=token, key=_ensure_key(Path(options.key_file)))
    context.print_answer(msgspec.to_builtins(enrolment), msgspec.json.encode(enrolment).decode())
    return 0


def list_tokens(context: CommandContext, options: argparse.Namespace) -> int:
    """List the tokens of a tenant, by the beginning of their hashes."""
    database = _open_database(context, options)
    try:
        tokens = database.list_tokens(options.tenant)
    finally:
        database.close()
    document = [
        {
            "id": token.hash[:SHOWN_DIGITS],
            "team": token.team,
            "owner": token.owner,
            "role": token.role.value,
            "added": to_rfc3339(token.added),
            "revoked": None if token.revoked is None else to_rfc3339(token.revoked),
        }
        for token in tokens
    ]
    lines = [
        f"{each['id']}  {each['team']}  {each['owner']}  {each['role']}  "
        f"{'revoked ' + str(each['revoked']) if each['revoked'] else 'since ' + str(each['added'])}"
        for each in document
    ]
    context.print_answer({"tokens": document}, "\n".join(lines) or "no tokens")
    return 0


def revoke_token(context: CommandContext, options: argparse.Namespace) -> int:
    """Revoke the token whose hash begins with an id. Raises UsageError unless there is exactly one."""
    database = _open_database(context, options)
    try:
        fitting = [
            token
            for token in database.list_tokens(options.tenant)
            if options.id and token.hash.startswith(options.id) and token.revoked is None
        ]
        if len(fitting) != 1:
            raise UsageError(
                f"{len(fitting)} valid tokens of {options.tenant} begin with {options.id!r}",
                hint="'stretto hub list-tokens' shows their ids",
            )
        database.revoke_token(options.tenant, fitting[0].hash, read_wall_clock())
    finally:
        database.close()
    context.print_answer({"revoked": options.id}, f"revoked {options.id}; hubs know it within half a minute")
    return 0


def print_reader_sql(context: CommandContext, options: argparse.Namespace) -> int:
    """Print the statements that an administrator of the database runs. The hub itself makes no users."""
    try:
        password = Path(options.password_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            "the password of the reader cannot be read", where=options.password_file, cause=str(error)
        ) from error
    if not password:
        raise UsageError("the file has no password", where=options.password_file)
    statements = write_reader_statements(
        _find_url(context, options), tenant=options.tenant, user=options.user, password=password
    )
    context.print_answer({"sql": statements}, statements.rstrip())
    return 0


def _open_database(context: CommandContext, options: argparse.Namespace) -> HubDatabase:
    database = open_engine(_find_url(context, options))
    database.prepare()
    return database


def _find_url(context: CommandContext, options: argparse.Namespace) -> str:
    url = options.database or context.environ.get(DATABASE_VARIABLE)
    if not url:
        raise UsageError(
            "the hub needs a database", hint=f"--database URL, or the variable {DATABASE_VARIABLE}"
        )
    return str(url)


def name_store_folder(url: str) -> str:
    """Return the name of the folder for stores that are filled from a database.

    Another database never goes on where they end. A password is no part of the name.
    """
    parts = urlsplit(url)
    where = str(Path(parts.path).resolve()) if parts.scheme == "sqlite" else parts.path
    place = (parts.scheme, parts.username, parts.hostname, parts.port, where)
    return sha256(repr(place).encode()).hexdigest()[:16]


def _ensure_key(path: Path) -> str:
    """Return the tenant's key in hexadecimal digits; make it if the file is missing."""
    if not path.exists():
        write_private(path, secrets.token_hex(32) + "\n")
    key = path.read_text(encoding="utf-8").strip()
    with suppress(ValueError):
        if len(bytes.fromhex(key)) >= LEAST_KEY_BYTES:
            return key
    raise UsageError(
        "the file has no key", where=str(path), hint=f"it has at least {LEAST_KEY_BYTES} bytes in hexadecimal"
    )


def _expose_metrics(host: str, port: int, app: HubApp) -> None:
    """Answer Prometheus in a thread that ends with the process. Raises UsageError for a taken address."""
    try:
        start_http_server(port, host, make_receive_registry(app.receiver.copy_counts))
    except OSError as error:
        raise UsageError(
            "metrics cannot be answered",
            where=f"{host}:{port}",
            cause=str(error),
            hint="choose another address with --metrics-listen HOST:PORT",
        ) from error


def _release_days(context: CommandContext, app: HubApp, stopping: threading.Event) -> None:
    while True:
        try:
            app.delete_old_days()
            app.release_days()
            app.conclude_experiments()
        except EngineError as error:
            context.print_note(error.to_line())
        except Exception as error:  # noqa: BLE001  # the next look may succeed, and no other thread looks
            context.print_note(f"days cannot be released: {error!r}")
        if stopping.wait(RELEASE_SECONDS):
            return


def _parse_address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(f"{text!r} is no address", hint="give HOST:PORT, such as 127.0.0.1:9465")
    return host.strip("[]"), int(port)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        # A name such as 127.example.org may be any machine's.
        return False
