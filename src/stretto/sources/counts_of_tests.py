"""Read the counts of a test run as values of an event, by the rules of the hook client."""

from __future__ import annotations

from stretto.hook.client.tests_and_written_files import count_tests
from stretto.model.event import Value


def read_counts_of_tests(result: str, framework: str) -> dict[str, Value]:
    """Return the counts in the text of a call's result; nothing if it has none."""
    return {name: count for name, count in count_tests([result], framework).items() if isinstance(count, int)}
