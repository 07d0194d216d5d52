"""Errors for people: each names the failed attempt, the place, the cause and the next step.

All layers can import this module. Bad *state* raises one of these errors. Bad *input* never does: it is
rejected and counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class StrettoError(Exception):
    """Base class: attempt, place, cause and hint; ``exit_code`` is the exit code of the command."""

    exit_code = 3

    def __init__(self, attempt: str, *, where: str = "", cause: str = "", hint: str = "") -> None:
        self.attempt = attempt
        self.where = where
        self.cause = cause
        self.hint = hint
        super().__init__(self.to_line())

    def to_line(self) -> str:
        """Return the whole error as a line of text."""
        text = self.attempt
        if self.where:
            text += f" ({self.where})"
        if self.cause:
            text += f": {self.cause}"
        return text


class UsageError(StrettoError):
    """The command was called with arguments that it cannot carry out."""

    exit_code = 2


class ConfigError(StrettoError):
    """A configuration file or variable contains an unusable value."""

    exit_code = 2


class SourceError(StrettoError):
    """An input named by the user cannot be read in the expected format."""


class SettingsError(StrettoError):
    """An agent's settings file cannot be changed safely."""


class StoreError(StrettoError):
    """The store cannot be opened, is from a newer version, or is locked by another process."""


class ServiceError(StrettoError):
    """The service cannot start: its address is in use, or another service runs on the same state folder."""


class HubError(StrettoError):
    """The hub does not answer, or does not take what was sent.

    ``status`` is that of its answer, None without one; ``retry_after`` is how long it asks to wait (s).
    """

    def __init__(
        self, attempt: str, *, where: str, cause: str, hint: str = "", status: int | None = None,
        retry_after: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__(attempt, where=where, cause=cause, hint=hint)
        self.status = status
        self.retry_after = retry_after


class EngineError(StrettoError):
    """The database of a hub does not answer, refuses, or was made by a newer version."""


class AnalysisNotInstalledError(StrettoError):
    """An answer needs packages that are an extra of Stretto and are not installed; ``extra`` is its name."""

    def __init__(self, extra: str, missing: str, hint: str) -> None:
        self.extra = extra
        super().__init__(
            "cannot work out this answer",
            cause=f"the package {missing} is not installed",
            hint=hint,
        )


def make_unknown_key_error(key: str, known_keys: Iterable[str], where: str) -> ConfigError:
    """Return the error for an unknown key, with the nearest known key or all of them as the hint."""
    names = list(known_keys)
    nearest = find_nearest_word(key.rpartition(".")[2], names)
    hint = f"did you mean {nearest!r}?" if nearest else f"known: {', '.join(names)}"
    return ConfigError(f"{key!r} is not known", where=where, hint=hint)


def find_nearest_word(word: str, known_words: Iterable[str]) -> str | None:
    """Return the known word that was probably meant, or None."""
    from difflib import get_close_matches  # noqa: PLC0415  # only after a misspelling

    return next(iter(get_close_matches(word, list(known_words), n=1)), None)
