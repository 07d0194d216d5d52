"""Write single values as HTML, without a macro: a page of a large session has thousands of them."""

from __future__ import annotations

from markupsafe import Markup, escape

from stretto.format import quantities


def allow_breaks(text: str) -> Markup:
    """Return a name as HTML that may wrap after underscores."""
    escaped = escape(text)
    return Markup(str(escaped).replace("_", "_<wbr>")) if "_" in escaped else escaped  # noqa: S704  # escaped


def isolate_text(text: str) -> Markup:
    """Return text from outside as HTML: its writing direction cannot affect its neighbours."""
    return Markup(f"<bdi>{allow_breaks(text)}</bdi>")  # noqa: S704  # escaped


def write_count(value: int) -> Markup:
    """Return a count in short form as HTML, with the exact number as its title."""
    return Markup(f'<span title="{value}">{escape(quantities.format_count(value))}</span>')  # noqa: S704  # a number


def write_outcome(outcome: str) -> Markup:
    """Return an outcome as HTML, coloured by its class."""
    escaped = escape(outcome)
    return Markup(f'<span class="outcome {escaped}">{escaped}</span>')  # noqa: S704  # escaped
