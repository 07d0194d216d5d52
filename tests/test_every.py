from __future__ import annotations

import pytest

from tests.every import for_each


def test_every_failure_is_reported() -> None:
    """Two of three things fail: the message names both, and not the third."""

    @for_each(["good", "bad", "broken"])
    def check(thing: str) -> None:
        assert thing != "bad"
        if thing == "broken":
            raise ValueError("no such thing")

    with pytest.raises(
        AssertionError, match=r"2 of 3 failed:(?s:.*)bad: (?s:.*)broken: ValueError"
    ) as failed:
        check()
    assert "good: " not in str(failed.value)


def test_checking_nothing_fails() -> None:
    """An empty collection is a mistake of the test, and not a success."""
    with pytest.raises(AssertionError, match="nothing to check"):
        for_each([])(print)()
