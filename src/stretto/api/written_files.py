"""Record which files a block wrote, as the keyed hashes that hooks record: who wrote the same file is seen.

The key is the installation's secret in the state folder, so that nobody can find a path by trial. It is made
if it is missing. If it cannot be made, no file is recorded.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from threading import Lock

from opentelemetry.trace import Span

from stretto.hook.client.tests_and_written_files import hash_written_paths
from stretto.names import SpanAttribute
from stretto.sources.otlp.conventions import FILES_LIMIT
from stretto.state.find_folder import find_state_folder

_WROTE = SpanAttribute.WROTE.value

_log = logging.getLogger(__name__)
_lock = Lock()
"""Held while a block's files change, and while the key is made: two threads must not make two."""

_state: str | None = None


def set_state_folder(state: str | os.PathLike[str] | None) -> None:
    """Set the state folder that the program chose; without it, the environment decides."""
    global _state  # noqa: PLW0603  # a process has a single state folder
    _state = None if state is None else os.fspath(state)


class WrittenFiles:
    """The files that a block wrote. Files can be added from several threads."""

    __slots__ = ("_hashes",)

    def __init__(self) -> None:
        self._hashes: frozenset[str] = frozenset()

    def add(self, span: Span | None, paths: Iterable[str | os.PathLike[str]]) -> None:
        """Add files to the block's span, unless the block is over or nothing is recorded."""
        if span is None or not span.is_recording():
            return
        with _lock:
            hashes = [hash for path in paths if (hash := _hash_path(path)) is not None]
            if not hashes:
                return
            self._hashes = self._hashes.union(hashes)
            if len(self._hashes) > FILES_LIMIT:
                _log.warning("only %d of the files that a block wrote are recorded", FILES_LIMIT)
            span.set_attribute(_WROTE, " ".join(sorted(self._hashes)[:FILES_LIMIT]))


def read_key_if_any() -> bytes:
    """Return the secret of the state folder, empty if it has none yet: nothing is made."""
    from stretto.hook.install.client_copy import read_secret_or_empty  # noqa: PLC0415  only where a session opens

    return read_secret_or_empty(_find_state())


def _hash_path(path: object) -> str | None:
    if not isinstance(path, str | os.PathLike):
        _log.warning("a written file was left out: a path is a text or a Path, not %s", type(path).__name__)
        return None
    try:
        folder = os.getcwd()  # noqa: PTH109  # the same text without a Path
    except OSError:
        folder = None  # the folder is gone: an absolute path needs none
    return hash_written_paths("Write", {"file_path": os.fsdecode(path)}, folder, _read_key(_find_state()))


def _find_state() -> Path:
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  # Path.home() raises without a home folder
    return find_state_folder(os.environ, home, _state)[0]


def _make_new_lock() -> None:
    global _lock  # noqa: PLW0603  # a thread of the parent may have had the lock
    _lock = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_make_new_lock)


@cache
def _read_key(state: Path) -> bytes:
    """Return the secret of a state folder, made if missing; empty, with a warning, if it cannot be made."""
    from stretto.hook.install.client_copy import ensure_secret  # noqa: PLC0415  # only if files are recorded

    key = ensure_secret(state)
    if not key:
        _log.warning("written files are not recorded: no key can be made in %s", state)
    return key
