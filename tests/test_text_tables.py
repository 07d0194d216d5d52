"""Tables fit the terminal that they are printed on, and do not depend on one in a pipe."""

from __future__ import annotations

import sys

import pytest
from rich.console import Console

from stretto.cli import text_tables
from stretto.cli.text_tables import LEAST_WIDTH, WIDTH, make_table, render_text


def draw(monkeypatch: pytest.MonkeyPatch, *, columns: int, is_terminal: bool) -> int:
    """Return the width of the longest line of a wide table in a window of so many columns."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal, raising=False)
    table = make_table("first", "second", "third")
    table.add_row("id", "word " * 40, "word " * 40)
    return max(len(line.rstrip()) for line in render_text(table).splitlines())


def test_a_table_is_as_wide_as_its_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """A narrow and a wide window are used to their width; in a pipe the window decides nothing."""
    assert 60 < draw(monkeypatch, columns=80, is_terminal=True) <= 80
    assert 150 < draw(monkeypatch, columns=200, is_terminal=True) <= 200
    assert 80 < draw(monkeypatch, columns=80, is_terminal=False) <= WIDTH


def test_a_very_narrow_window_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Below sixty columns the terminal wraps whole lines."""
    assert draw(monkeypatch, columns=20, is_terminal=True) <= LEAST_WIDTH
    assert text_tables.find_width() == LEAST_WIDTH


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR (no-color.org) the live view and the progress bars have no colours."""
    monkeypatch.setenv("NO_COLOR", "1")
    assert Console(force_terminal=True).no_color
