"""What runs of the Makefile leave out: the tests that are listed, and folders and files by their marks."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement

import pytest
from tests import long_tests

ROOT = Path(__file__).parents[2]


def test_every_listed_test_exists() -> None:
    """A renamed test does not stay on the list under its former name; make long-tests writes it anew."""
    for line in long_tests.read_long_tests():
        file, *names = line.split("::")
        text = (ROOT / file).read_text(encoding="utf-8")
        assert all(f"def {name}(" in text or f"class {name}" in text for name in names), line


def test_files_that_begin_first_exist() -> None:
    """A renamed file would begin late again."""
    files = {path.name for path in (ROOT / "tests/stack").glob("test_*.py")}
    assert files >= long_tests.FIRST_FILES


def test_the_list_has_the_long_tests_of_a_report_without_guards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a run's times the list keeps tests from 0.3 s on, without parameters, and no guard."""
    suite = Element("testsuite")
    for name, classname, seconds in (
        ("test_a[1]", "tests.test_x", "0.31"),
        ("test_a[2]", "tests.test_x", "0.10"),
        ("test_b", "tests.test_x", "0.19"),
        ("test_c", "tests.test_y.TestGroup", "2"),
        ("test_d", "tests.contract.test_z", "9"),
    ):
        SubElement(suite, "testcase", name=name, classname=classname, time=seconds)
    report = tmp_path / "report.xml"
    ElementTree(suite).write(report)
    monkeypatch.setattr(long_tests, "LIST", tmp_path / "list.txt")
    assert long_tests.main(report) == 0
    assert long_tests.read_long_tests() == {
        "tests/test_x.py::test_a",
        "tests/test_y.py::TestGroup::test_c",
    }


@pytest.mark.parametrize("folder", ["corpus", "shown", "stack"])
def test_a_folder_that_a_run_passes_over_has_no_other_tests(folder: str) -> None:
    """The Makefile passes over folders by path: a test there without the folder's mark would run nowhere."""
    for path in (ROOT / "tests" / folder).glob("test_*.py"):
        marks = path.read_text(encoding="utf-8").partition("\npytestmark = ")[2]
        assert f"pytest.mark.{folder}" in marks, f"{path}: set pytestmark to pytest.mark.{folder}"


def test_the_run_of_real_servers_has_every_file_with_such_a_test() -> None:
    """The Makefile names these files: a test of servers in another would run nowhere."""
    named = re.search(r"^OF_SERVERS := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert named is not None
    folder, *files = named[1].split()
    assert folder == "tests/stack"
    marked = r"mark\.stack\b|^from tests\.hub_engines import [^)]*\bENGINES\b"
    with_servers = {
        f"tests/{path.name}"
        for path in (ROOT / "tests").glob("test_*.py")
        if re.search(marked, path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert {*files} == with_servers
