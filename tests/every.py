"""Turn a check of one thing into one test of all of them, which reports every failure at once."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

Thing = TypeVar("Thing")


def for_each(
    things: Collection[Thing], name: Callable[[Thing], str] = str
) -> Callable[[Callable[[Thing], None]], Callable[[], None]]:
    """Return a decorator: the check becomes a test that runs it on each thing and names those that fail."""

    def decorate(check: Callable[[Thing], None]) -> Callable[[], None]:
        def test() -> None:
            assert things, "there is nothing to check"
            failures = []
            for thing in things:
                try:
                    check(thing)
                except Exception as error:  # noqa: BLE001  # a check that breaks off has failed too
                    failures.append(f"{name(thing)}: {type(error).__name__}: {error}")
            assert not failures, f"{len(failures)} of {len(things)} failed:\n\n" + "\n\n".join(failures)

        # Not functools.wraps: pytest would read the check's parameter as a fixture.
        test.__name__, test.__qualname__ = check.__name__, check.__qualname__
        test.__doc__, test.__module__ = check.__doc__, check.__module__
        return test

    return decorate
