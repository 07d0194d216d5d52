"""Why an operation gives no answer: a code for programs, a sentence for people, numbers for both."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class ErrorCode(StrEnum):
    """The codes of error envelopes."""

    INSUFFICIENT_PERFORMANCE_DATA = "INSUFFICIENT_PERFORMANCE_DATA"
    INVALID_OPTIONS = "INVALID_OPTIONS"
    UNKNOWN_WORKFLOW = "UNKNOWN_WORKFLOW"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    ANALYSIS_NOT_INSTALLED = "ANALYSIS_NOT_INSTALLED"
    ANALYSIS_STALE = "ANALYSIS_STALE"
    ANALYSIS_OFF = "ANALYSIS_OFF"


CODE_MEANINGS: Mapping[ErrorCode, str] = {
    ErrorCode.INSUFFICIENT_PERFORMANCE_DATA: "too few runs; `details` has how many there are and are needed",
    ErrorCode.INVALID_OPTIONS: "an option is unknown or has a wrong value; `details` names each",
    ErrorCode.UNKNOWN_WORKFLOW: "there is no such session or pattern; `details` has the nearest names",
    ErrorCode.STORE_UNAVAILABLE: "the store cannot be read, and no earlier answer is at hand",
    ErrorCode.ANALYSIS_NOT_INSTALLED: "the answer needs an extra of Stretto that is not installed",
    ErrorCode.ANALYSIS_STALE: "the analysis fails, and its last good answer is too old or missing",
    ErrorCode.ANALYSIS_OFF: "the analysis is switched off (`stretto features list`), or leads cannot have it",
}
"""Each code in words, for the reference."""


class OperationError(Exception):
    """An operation that cannot answer."""

    def __init__(self, code: ErrorCode, message: str, details: Mapping[str, Any] | None = None) -> None:
        self.code = code
        self.message = message
        self.details = dict(details or {})
        super().__init__(message)


def lack_data(what: str, have: float, need: float) -> OperationError:
    """Return the error of too little data. Example: ``lack_data("days with runs", 3, 14)``."""
    return OperationError(
        ErrorCode.INSUFFICIENT_PERFORMANCE_DATA,
        f"{have:g} {what}, {need:g} are needed",
        {"of": what, "have": have, "need": need, "lacking": max(0, need - have)},
    )
