"""List the tests that `make quick` leaves out, from the times of a run, and the files that begin first."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree.ElementTree import parse

LIST = Path(__file__).with_name("long_tests.txt")
"""A test in each line: its file and its name without parameters."""

SECONDS = 0.2
"""From this time on a test is long, on two quiet processors, without the fixtures that it shares."""

GUARDS = "tests/contract/"
"""The folder of the guards, of which `make quick` leaves out none."""

FIRST_FILES = frozenset({"test_alerts.py", "test_end_to_end.py", "test_keyboard.py", "test_page_layout.py"})
"""Files of real servers that take one to two minutes: begun last, they would leave other workers idle."""


def read_long_tests() -> frozenset[str]:
    """Return the listed tests."""
    return frozenset(LIST.read_text(encoding="utf-8").split())


def name_test(node: str) -> str:
    """Return the line for a test's id: that of tests/test_top.py::test_keys[q] ends in test_keys."""
    return node.partition("[")[0]


def main(report: Path) -> int:
    """Replace the list by the tests whose time in the JUnit report reaches SECONDS for any parameters."""
    long_tests = set()
    # Only this project's own run writes the report.
    for case in parse(report).iter("testcase"):
        if float(case.attrib["time"]) < SECONDS:
            continue
        module, _, group = case.attrib["classname"].partition(".Test")
        names = [module.replace(".", "/") + ".py", *([f"Test{group}"] if group else []), case.attrib["name"]]
        long_tests.add(name_test("::".join(names)))
    guards = {test for test in long_tests if test.startswith(GUARDS)}
    LIST.write_text("".join(f"{test}\n" for test in sorted(long_tests - guards)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
