"""Codex trust: tell which of our hooks Codex will not run yet, and let Codex trust them on request.

Codex runs a hook only after a person has trusted it. The trust is in the user's ``config.toml``, as a hash
below ``hooks.state`` under the hook's place: ``<file>:pre_tool_use:<group>:<handler>``. The hash is Codex's
own, so only Codex can compute it: ``codex app-server`` lists the hooks with it and writes it.
"""

from __future__ import annotations

import json
import queue
import re
import subprocess
import threading
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from stretto.errors import SettingsError
from stretto.hook.install.handlers import is_our_handler
from stretto.hook.install.settings_file import read_file

SECONDS = 20
"""Limit of each answer of Codex."""


def list_untrusted(settings: Path, config: Path) -> tuple[str, ...]:
    """Return our hooks in a settings file for which the user's configuration holds no trust.

    A hook that was trusted and has changed since is not among them: only Codex knows its present hash.
    """
    trusted = _read_trusted_places(config)
    return tuple(event for place, event in _list_our_places(settings) if place not in trusted)


def trust_hooks(settings: Path, program: str, environ: Mapping[str, str], folder: Path) -> int:
    """Let Codex trust our hooks in a settings file, and no others; return their number.

    ``program`` is Codex, ``folder`` a working directory in which the settings apply. Raises SettingsError.
    """
    places = {place for place, _ in _list_our_places(settings)}
    with _CodexServer(program, environ, folder) as codex:
        codex.call("initialize", {"clientInfo": {"name": "stretto", "version": "1"}})
        listed = codex.call("hooks/list", {"cwds": [str(folder)]})
        hooks = [hook for entry in listed.get("data", []) for hook in entry.get("hooks", [])]
        state = {
            hook["key"]: {"trusted_hash": hook["currentHash"]}
            for hook in hooks
            if hook.get("key") in places and is_our_handler({"command": hook.get("command")})
        }
        if not state:
            raise SettingsError(
                "Codex does not list our hooks", where=str(settings), hint="Start Codex and type /hooks."
            )
        edit = {"keyPath": "hooks.state", "value": state, "mergeStrategy": "upsert"}
        codex.call("config/batchWrite", {"edits": [edit]})
    return len(state)


def _read_trusted_places(config: Path) -> frozenset[str]:
    try:
        document: Any = tomllib.loads((read_file(config) or b"").decode("utf-8"))
    except (SettingsError, ValueError):
        return frozenset()
    for name in ("hooks", "state"):
        document = document.get(name, {}) if isinstance(document, dict) else {}
    entries = document.items() if isinstance(document, dict) else ()
    return frozenset(place for place, state in entries if isinstance(state, dict) and "trusted_hash" in state)


def _list_our_places(settings: Path) -> list[tuple[str, str]]:
    """Return place and event of each of our handlers; Codex counts groups and handlers from 0."""
    try:
        hooks = json.loads(read_file(settings) or b"{}").get("hooks", {})
    except (SettingsError, ValueError, AttributeError):
        return []
    places = []
    for event, groups in hooks.items() if isinstance(hooks, dict) else ():
        snake = re.sub(r"(?<!^)(?=[A-Z])", "_", event).lower()
        for group_number, group in enumerate(groups if isinstance(groups, list) else []):
            handlers = group.get("hooks") if isinstance(group, dict) else None
            for number, handler in enumerate(handlers if isinstance(handlers, list) else []):
                if is_our_handler(handler):
                    places.append((f"{settings}:{snake}:{group_number}:{number}", event))
    return places


class _CodexServer:
    """Codex as a server on its standard input and output: a JSON object a line."""

    def __init__(self, program: str, environ: Mapping[str, str], folder: Path) -> None:
        try:
            self._process = subprocess.Popen(  # noqa: S603  # the agent that the user wants to trust us
                [program, "app-server"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=dict(environ),
                cwd=folder,
                text=True,
            )
        except OSError as error:
            raise SettingsError("Codex cannot be started", where=program, cause=str(error)) from error
        self._lines: queue.Queue[str] = queue.Queue()
        self._calls = 0
        threading.Thread(target=self._read_lines, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def call(self, method: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the result of a call. Raises SettingsError if Codex refuses it or does not answer."""
        self._calls += 1
        request = {"jsonrpc": "2.0", "id": self._calls, "method": method, "params": parameters}
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            while True:
                answer = json.loads(self._lines.get(timeout=SECONDS) or "{}")
                if answer.get("id") == self._calls:
                    break
        except (OSError, ValueError, queue.Empty) as error:
            raise SettingsError(
                "Codex did not answer", where=method, cause=type(error).__name__, hint="Type /hooks in Codex."
            ) from error
        if not isinstance(answer.get("result"), dict):
            cause = str(answer.get("error", {}).get("message", "no result"))
            raise SettingsError("Codex refused", where=method, cause=cause, hint="Type /hooks in Codex.")
        result: dict[str, Any] = answer["result"]
        return result

    def _read_lines(self) -> None:
        assert self._process.stdout is not None
        try:
            for line in self._process.stdout:
                self._lines.put(line)
        except ValueError:
            return  # closed while it was read
        finally:
            self._lines.put("")
