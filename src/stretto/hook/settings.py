"""Install, remove and inspect Stretto's hooks in Claude Code's settings files.

Everything of other owners stays: outside ``hooks`` byte for byte, inside by value and order. A file that is
not what it should be is left as it is, with a ``SettingsError``.

The hooks start a copy of the client in the state folder, not the package: sessions keep the commands they
started with, so these must outlive an upgrade, a removed environment and ``uninstall``, which leaves it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from stretto.errors import SettingsError
from stretto.hook import client
from stretto.hook.edit import drop_member, set_member
from stretto.hook.handlers import EVENTS, Plan, client_folder, handlers, others, ours

SWITCHES = ("disableAllHooks", "allowManagedHooksOnly")
"""Members of a settings file that keep hooks from running, wherever they stand."""

CLIENT_FILES = ("client.py", "start.py")
_PACKAGE = Path(client.__file__).parent


class Scope(StrEnum):
    """Whose settings."""

    USER = "user"
    PROJECT = "project"
    LOCAL = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What an install or uninstall has done; plain text and booleans, so that it dumps as JSON."""

    action: str
    """``installed``, ``updated``, ``removed`` or ``unchanged``."""
    settings: str
    events: tuple[str, ...]
    """The hooks registered or, by ``uninstall``, removed."""
    transport: str | None = None
    client: str | None = None
    """The folder of the client's copy, where this change has written it."""
    backup: str | None = None
    """The settings as they were before, where something of others was at stake."""
    deleted: bool = False
    """The settings file is gone again, because nothing but ours was ever in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeStatus:
    """What one settings file says."""

    scope: str
    settings: str
    exists: bool
    events: tuple[str, ...] = ()
    """Hooks registered for us."""
    missing: tuple[str, ...] = ()
    """Hooks of EVENTS that are not, while others are."""
    transports: tuple[str, ...] = ()
    dangling: tuple[str, ...] = ()
    """Interpreters and scripts in our commands that are not there."""
    problem: str | None = None
    """Why the file cannot be read as settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How the hooks stand over all settings files; dumps as JSON."""

    installed: bool
    scopes: tuple[ScopeStatus, ...]
    client: str
    """Of the copy: ``current``, ``outdated`` or ``absent``."""
    switched_off: tuple[str, ...]
    """The switches that are on, each with its file."""
    doubled: tuple[str, ...]
    """Where an event is reported more than once: harmless, but each report costs its process or request."""


def settings_path(scope: Scope, *, home: Path, project: Path, config_dir: Path | None = None) -> Path:
    """Return a scope's settings file; ``config_dir`` is CLAUDE_CONFIG_DIR, where set."""
    if scope is Scope.USER:
        return (config_dir or home / ".claude") / "settings.json"
    return project / ".claude" / ("settings.json" if scope is Scope.PROJECT else "settings.local.json")


def install(plan: Plan) -> Change:
    """Register the hooks in place of what an earlier install left, and copy the client to the state folder.

    A second install changes no byte. Raises SettingsError, with the settings untouched.
    """
    wanted = handlers(plan)
    before = _read(plan.settings)
    text, value, hooks = _parsed(plan.settings, b"{}\n" if before is None else before)
    mine = ours(hooks)
    copied = _copy_client(plan.state)
    change = Change(
        action="unchanged",
        settings=str(plan.settings),
        events=tuple(wanted),
        transport=plan.transport.value,
        client=str(client_folder(plan.state)) if copied else None,
    )
    if mine == {event: [handler] for event, handler in wanted.items()}:
        return change
    earlier = _Receipt.load(plan.state, plan.settings) if mine else None
    merged = others(hooks, earlier.containers if earlier else None)
    for event, handler in wanted.items():
        merged[event] = [*merged.get(event, []), {"hooks": [handler]}]
    after = set_member(text, "hooks", merged).encode()
    receipt = _Receipt(
        created=before is None,
        containers=frozenset({"hooks", *wanted} - {*hooks, *(["hooks"] if "hooks" in value else [])}),
        original=None if before is None or mine else _digest(before),
        written=_digest(after),
    )
    backup = None
    if before is not None and not (earlier and earlier.written == _digest(before)):
        backup = _back_up(plan.settings, before)
    _write(plan.settings, after)
    (receipt.following(earlier) if earlier else receipt).save(plan.state, plan.settings)
    return replace(change, action="updated" if mine else "installed", backup=backup)


def uninstall(settings: Path, state: Path) -> Change:
    """Remove exactly our handlers, with the lists and the file that only they needed.

    Where nothing else has changed since the install, the file gets its former bytes back. The client's copy
    stays for the sessions that still run with the hooks. Raises SettingsError, with the settings untouched.
    """
    before = _read(settings)
    text, value, hooks = _parsed(settings, b"{}" if before is None else before)
    mine = ours(hooks)
    change = Change(action="unchanged", settings=str(settings), events=tuple(mine))
    if before is None or not mine:
        return change
    receipt = _Receipt.load(state, settings)
    rest = others(hooks, receipt.containers if receipt else None)
    emptied = not rest and (receipt is None or "hooks" in receipt.containers)
    backup = _backup_path(settings)
    if receipt and receipt.created and emptied and len(value) == 1:
        _remove(settings)
        change = replace(change, deleted=True)
    elif receipt and receipt.written == _digest(before) and _digest(_read(backup) or b"") == receipt.original:
        _write(settings, _read(backup) or b"")
        _remove(backup)
    else:
        change = replace(change, backup=_back_up(settings, before))
        _write(
            settings, (drop_member(text, "hooks") if emptied else set_member(text, "hooks", rest)).encode()
        )
    _Receipt.drop(state, settings)
    return replace(change, action="removed")


def status(files: Mapping[str, Path], state: Path) -> Status:
    """Say how the hooks stand: ``files`` is the settings files that count, by scope (``managed`` among them).

    A file that is missing or broken is part of the answer, not an error.
    """
    scopes = []
    switched_off = []
    reporting: dict[str, dict[str, list[str]]] = {}
    plugins = []
    for scope, path in files.items():
        try:
            data = _read(path)
            value, hooks = _parsed(path, b"{}" if data is None else data)[1:]
        except SettingsError as error:
            scopes.append(ScopeStatus(scope=scope, settings=str(path), exists=True, problem=error.sentence()))
            continue
        mine = ours(hooks)
        scopes.append(_scope_status(scope, path, data is not None, mine))
        switched_off += [f"{switch} in {path}" for switch in SWITCHES if value.get(switch) is True]
        for name, enabled in _object(value.get("enabledPlugins")).items():
            if enabled is True and name.startswith("stretto@"):
                plugins.append(name)
        for event, found in mine.items():
            for handler in found:
                reporting.setdefault(event, {}).setdefault(json.dumps(handler, sort_keys=True), []).append(
                    scope
                )
    installed = bool(reporting)
    # The same handler in several files runs once; a different one runs beside it, and a plugin's always does.
    several = {
        tuple(dict.fromkeys(scope for scopes in by_handler.values() for scope in scopes))
        for by_handler in reporting.values()
        if len(by_handler) > 1
    }
    doubled = [f"different handlers in {' and '.join(names)} settings" for names in sorted(several)]
    doubled += [f"plugin {name} beside the settings" for name in dict.fromkeys(plugins) if installed]
    return Status(
        installed=installed,
        scopes=tuple(scopes),
        client=_client_state(state),
        switched_off=tuple(switched_off),
        doubled=tuple(doubled),
    )


def _scope_status(scope: str, path: Path, exists: bool, mine: dict[str, list[dict[str, Any]]]) -> ScopeStatus:
    found = [handler for event in mine.values() for handler in event]
    started = [word for handler in found if "command" in handler for word in _started(handler["command"])]
    return ScopeStatus(
        scope=scope,
        settings=str(path),
        exists=exists,
        events=tuple(mine),
        missing=tuple(event for event in EVENTS if event not in mine) if mine else (),
        transports=tuple(sorted({str(handler.get("type")) for handler in found})),
        dangling=tuple(word for word in dict.fromkeys(started) if not Path(word).exists()),
    )


def _started(command: str) -> list[str]:
    """Return the interpreter and the script of one of our commands."""
    try:
        words = shlex.split(command)
    except ValueError:
        return [command]
    return [words[0], *[word for word in words if word.endswith(CLIENT_FILES)][:1]]


def _read(path: Path) -> bytes | None:
    """Return a file's bytes, or None where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError("The settings cannot be read", where=str(path), cause=str(error)) from error


def _parsed(path: Path, data: bytes) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Return a settings file's text, its value and the value's ``hooks``."""
    try:
        text = data.decode("utf-8")
        value = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise SettingsError(
            "The settings are not valid JSON", where=str(path), cause=str(error),
            hint="Claude Code ignores the whole file as it is. Repair it, then try again.",
        ) from error  # fmt: skip
    if not isinstance(value, dict):
        raise SettingsError("The settings are not a JSON object", where=str(path), hint="Start it with {.")
    hooks = value.get("hooks", {})
    if not isinstance(hooks, dict) or not all(isinstance(hooks.get(event, []), list) for event in EVENTS):
        raise SettingsError(
            "The settings hold hooks in a shape that Claude Code does not know", where=str(path),
            hint='"hooks" is an object that maps the name of a hook to a list.',
        )  # fmt: skip
    return text, value, hooks


def _write(path: Path, data: bytes) -> None:
    """Replace a file in one step, behind its symlinks, with its mode."""
    target = Path(os.path.realpath(path))
    fresh = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with fresh.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if target.exists():
                fresh.chmod(target.stat().st_mode & 0o7777)
            fresh.replace(target)
        finally:
            fresh.unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError("The file cannot be written", where=str(path), cause=str(error)) from error


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError("The file cannot be removed", where=str(path), cause=str(error)) from error


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _backup_path(settings: Path) -> Path:
    return settings.with_name(settings.name + ".stretto-backup")


def _back_up(settings: Path, data: bytes) -> str:
    """Write what a change replaces beside it, readable for the same people; return the path."""
    path = _backup_path(settings)
    _write(path, data)
    path.chmod(settings.stat().st_mode & 0o7777)
    return str(path)


def _copy_client(state: Path) -> bool:
    """Bring the client's copy up to date; return whether it was not."""
    if _client_state(state) == "current":
        return False
    folder = client_folder(state)
    for needed in (state, folder):
        try:
            needed.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                "The state folder cannot be made", where=str(needed), cause=str(error)
            ) from error
    for name in CLIENT_FILES:
        _write(folder / name, (_PACKAGE / name).read_bytes())
    # The interpreter compares seconds and size, which a copy within one second of the last can keep.
    for compiled in (folder / "__pycache__").glob("client.*.pyc"):
        _remove(compiled)
    return True


def _client_state(state: Path) -> str:
    copies = [_read(client_folder(state) / name) for name in CLIENT_FILES]
    if copies == [(_PACKAGE / name).read_bytes() for name in CLIENT_FILES]:
        return "current"
    return "absent" if None in copies else "outdated"


@dataclass(frozen=True, slots=True)
class _Receipt:
    """What an install keeps about a settings file, in the state folder, so that it can be undone exactly."""

    created: bool
    """There was no such file."""
    containers: frozenset[str]
    """``hooks`` and those of its members that were not there."""
    original: str | None
    """Digest of the file as it was, which the backup must have."""
    written: str
    """Digest of the file as the install left it."""

    def following(self, earlier: _Receipt) -> _Receipt:
        """Return the receipt of an install over an earlier one: what was there was there before both."""
        containers = self.containers | earlier.containers
        return replace(self, created=earlier.created, containers=containers, original=earlier.original)

    @staticmethod
    def load(state: Path, settings: Path) -> _Receipt | None:
        """Return the receipt of a settings file, if it can be read: without it the undoing is less exact."""
        found = _object(_receipts(state).get(str(settings)))
        try:
            containers = frozenset(map(str, found["containers"]))
            return _Receipt(found["created"] is True, containers, found["original"], found["written"])
        except (KeyError, TypeError):
            return None

    def save(self, state: Path, settings: Path) -> None:
        receipt = {**asdict(self), "containers": sorted(self.containers)}
        _write(_ledger(state), json.dumps({**_receipts(state), str(settings): receipt}).encode())

    @staticmethod
    def drop(state: Path, settings: Path) -> None:
        receipts = _receipts(state)
        if receipts.pop(str(settings), None) is not None:
            _write(_ledger(state), json.dumps(receipts).encode())


def _ledger(state: Path) -> Path:
    return client_folder(state) / "installed.json"


def _receipts(state: Path) -> dict[str, Any]:
    try:
        return _object(json.loads(_ledger(state).read_bytes()))
    except (OSError, ValueError):
        return {}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
