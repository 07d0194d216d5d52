"""Name the kind of an error by the name of its class, or by the code that a provider gives it.

Only names and codes are read: a message could quote the work's content.
"""

from __future__ import annotations

from enum import StrEnum

UNNAMED_ERROR = "_OTHER"
"""``error.type`` of an error without a class, as in OpenTelemetry's conventions."""


class ErrorKind(StrEnum):
    """The closed set of kinds; of several that fit a name, the first in this order is meant."""

    CANCELLED = "cancelled"
    """A person or the program stopped it."""
    TIMEOUT = "timeout"
    RATE_LIMIT = "rate_limit"
    """The provider was overloaded, or too much was asked of it."""
    PERMISSION = "permission"
    """It was not allowed, or not signed in."""
    NOT_FOUND = "not_found"
    LENGTH_LIMIT = "length_limit"
    """Too many tokens or turns."""
    CONNECTION = "connection"
    """The network or the server failed."""
    TESTS = "tests"
    """Tests failed, or an assertion."""
    INVALID = "invalid"
    """The input or the answer had a wrong shape or value."""
    OTHER = "other"
    """A named error of another kind."""
    NOT_REPORTED = "not_reported"
    """It failed, and no source named an error."""


_MARKS = {
    ErrorKind.CANCELLED: ("cancel", "abort", "interrupt", "generatorexit"),
    ErrorKind.TIMEOUT: ("timeout", "timedout", "deadline"),
    ErrorKind.RATE_LIMIT: ("ratelimit", "overload", "toomanyrequests", "quota", "exhausted", "throttl"),
    ErrorKind.PERMISSION: (
        "permission", "denied", "forbidden", "unauthor", "authentic", "notallowed", "oauth",
    ),
    ErrorKind.NOT_FOUND: ("notfound", "nosuch", "doesnotexist"),
    ErrorKind.LENGTH_LIMIT: ("maxoutput", "maxturns", "maxtokens", "contextlength", "contextwindow"),
    ErrorKind.CONNECTION: ("connect", "network", "socket", "servererror", "unavailable", "gateway", "dns"),
    ErrorKind.TESTS: ("assertion", "testfail", "testsfail"),
    ErrorKind.INVALID: (
        "valueerror", "typeerror", "keyerror", "attributeerror", "indexerror", "validation", "invalid",
        "badrequest", "decode", "parse", "syntax",
    ),
}  # fmt: skip

_CODES = {
    "400": ErrorKind.INVALID,
    "401": ErrorKind.PERMISSION,
    "403": ErrorKind.PERMISSION,
    "404": ErrorKind.NOT_FOUND,
    "408": ErrorKind.TIMEOUT,
    "413": ErrorKind.LENGTH_LIMIT,
    "429": ErrorKind.RATE_LIMIT,
    "500": ErrorKind.CONNECTION,
    "502": ErrorKind.CONNECTION,
    "503": ErrorKind.CONNECTION,
    "504": ErrorKind.TIMEOUT,
    "529": ErrorKind.RATE_LIMIT,
}
"""Status codes of HTTP, which some clients report as the class."""


def classify_error(name: str | None) -> ErrorKind:
    """Return the kind of an error by the name of its class, or its code; None is not reported.

    Example: ``openai.RateLimitError``, ``rate_limit`` and ``429`` are ``rate_limit``.
    """
    if name is None or name == UNNAMED_ERROR:
        return ErrorKind.NOT_REPORTED
    if name in _CODES:
        return _CODES[name]
    letters = "".join(letter for letter in name.lower() if letter.isalpha())
    for kind, marks in _MARKS.items():
        if any(mark in letters for mark in marks):
            return kind
    return ErrorKind.OTHER
