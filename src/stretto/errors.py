"""Errors that reach a person: what was attempted, where, why it failed, what to do next.

They live apart from the code that raises them so that every layer can use them without importing another.
Bad *input* is never one of these: it is set aside and counted. Bad *state* is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class StrettoError(Exception):
    """Say what was attempted, where, the cause and the next step; ``exit_code`` is the command's."""

    exit_code = 3

    def __init__(self, what: str, *, where: str = "", cause: str = "", hint: str = "") -> None:
        self.what = what
        self.where = where
        self.cause = cause
        self.hint = hint
        super().__init__(self.sentence())

    def sentence(self) -> str:
        """Return the whole error as one line of text."""
        text = self.what
        if self.where:
            text += f" ({self.where})"
        if self.cause:
            text += f": {self.cause}"
        return text


class UsageError(StrettoError):
    """The command was called in a way that cannot be carried out."""

    exit_code = 2


class ConfigError(StrettoError):
    """A configuration file or variable holds something that cannot be used."""

    exit_code = 2


class SourceError(StrettoError):
    """Input named by the user cannot be read as what it was said to be."""


class SettingsError(StrettoError):
    """An agent's settings file cannot be changed safely."""


class StoreError(StrettoError):
    """The store cannot be opened, is from a newer version, or is held by another process."""


class ServiceError(StrettoError):
    """The service cannot start: its address is taken, or another one runs on the same state."""


def unknown_key(key: str, known: Iterable[str], where: str) -> ConfigError:
    """Return the error about a key that is not known, naming the nearest known one or all of them."""
    names = list(known)
    near = find_nearest(key.rpartition(".")[2], names)
    hint = f"did you mean {near!r}?" if near else f"known: {', '.join(names)}"
    return ConfigError(f"{key!r} is not known", where=where, hint=hint)


def find_nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was probably meant, or None."""
    from difflib import get_close_matches  # noqa: PLC0415  # for who has misspelt something

    return next(iter(get_close_matches(word, list(known), n=1)), None)
