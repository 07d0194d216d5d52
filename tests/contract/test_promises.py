"""docs/promises.md says where each promise of the papers is kept, and each place that it names exists.

The numbers of rows that are open or partly met are in tests/contract/promises.json: lower them with each
row that is met. They are never raised to let a promise go.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx
from tests.commands import list_commands
from tests.web_served import Store, served

from stretto.config.settings_table import SETTINGS
from stretto.features.feature_switches import FEATURES, LEVEL
from stretto.names import METRICS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "promises.md"
COUNTS = Path(__file__).with_name("promises.json")

OPEN, ABSENT = "**open**", "**absent**"
PARTLY = "Partly:"

FEWEST_WORDS = 5
"""Fewest words that are a reason."""


@dataclass(frozen=True)
class Promise:
    """A row of the page."""

    paper: str
    text: str
    met_by: str
    remark: str

    @property
    def references(self) -> list[str]:
        """The places that are named."""
        return re.findall(r"`([^`]+)`", self.met_by)


def read_promises() -> list[Promise]:
    """Return the rows of the tables whose header begins with the line of a paper."""
    promises: list[Promise] = []
    paper, is_listed = "", False
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            paper = line[3:]
        if not line.startswith("|"):
            is_listed = False
        elif line.startswith("| line |"):
            is_listed = True
        elif is_listed and not line.startswith("| ---"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            number, promise, met_by, remark = cells
            promises.append(Promise(paper, f"{number}: {promise}", met_by, remark))
    return promises


PROMISES = read_promises()

REFERENCES = sorted({reference for promise in PROMISES for reference in promise.references})

PATHS = [reference for reference in REFERENCES if reference.startswith("/")]


@cache
def read_rules() -> str:
    """Return the text of all rule files of Prometheus."""
    files = sorted((ROOT / "prometheus" / "rules").glob("*.yml"))
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def has_alert(name: str) -> bool:
    """Return whether a rule has this alert, and a page in the runbook."""
    is_alert = re.search(rf"^\s*- alert: {name}$", read_rules(), re.MULTILINE)
    return bool(is_alert) and (ROOT / "docs" / "runbook" / f"{name}.md").exists()


def has_series(name: str) -> bool:
    """Return whether Prometheus records a series of this name."""
    return re.search(rf"^\s*- record: {name}$", read_rules(), re.MULTILINE) is not None


def has_command(reference: str) -> bool:
    """Return whether the parser knows the command; further words are none."""
    return reference.removeprefix("stretto ") in list_commands()


def has_python_name(reference: str) -> bool:
    """Return whether the package has the name."""
    module, _, name = reference.rpartition(".")
    return hasattr(importlib.import_module(module), name)


def has_table(reference: str) -> bool:
    """Return whether docs/configuration.md describes the table, or the one that it is in."""
    table = reference.strip("[]").partition(".")[0]
    return f"[{table}" in (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")


def has_setting(name: str) -> bool:
    """Return whether a setting or a switch has the name."""
    return name in SETTINGS or name in FEATURES or name == LEVEL


def has_file(reference: str) -> bool:
    """Return whether a file exists, with the test after ``::`` or the heading after ``#``."""
    name, _, test = reference.partition("::")
    name, _, heading = name.partition("#")
    path = ROOT / name
    if not path.exists():
        return False
    if test:
        return f"\ndef {test}(" in path.read_text(encoding="utf-8")
    return not heading or heading in list_headings(path)


def list_headings(path: Path) -> Iterator[str]:
    """Yield the headings of a page as links name them."""
    for heading in re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


KINDS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    (r"stretto_\w+", METRICS.__contains__),
    (r"\w+:stretto_\w+:\w+", has_series),
    (r"stretto [a-z -]+", has_command),
    (r"stretto\.[\w.]+", has_python_name),
    (r"Stretto\w+", has_alert),
    (r"\[[\w.]+\]", has_table),
    (r"[a-z_]+(\.[a-z_]+)?", has_setting),
    (r"[\w.-]+/[\w./-]+(#[\w-]+|::test_\w+)?", has_file),
)
"""Form of a reference → whether there is such a thing; paths of the service are asked for."""


def test_every_place_exists() -> None:
    """Each metric, command, alert, setting, file and test that the page names is there: follow a move."""
    others = [reference for reference in REFERENCES if reference not in PATHS]
    checks = {
        reference: next((check for form, check in KINDS if re.fullmatch(form, reference)), None)
        for reference in others
    }

    assert [reference for reference, check in checks.items() if check is None] == [], "no kind of place"
    assert [reference for reference, check in checks.items() if check and not check(reference)] == []


def test_every_path_is_served(tmp_path: Path) -> None:
    """The service knows each page and path, if only for another method than GET."""
    store = Store(tmp_path)
    store.refresh()
    missing = []
    with served(store.make_backend()) as client:
        for path in PATHS:
            # A stream of events never ends: its head says enough.
            with client.stream("GET", path) as response:
                if response.status_code == httpx.codes.NOT_FOUND:
                    missing.append(path)

    assert PATHS
    assert missing == []


def test_every_promise_has_a_place_or_a_reason() -> None:
    """A promise is met somewhere, or the remark says in a sentence why not, or what lacks."""
    assert len(PROMISES) > 200
    assert {promise.paper.partition(":")[0] for promise in PROMISES} == {
        "Paper 000", "Paper 001", "Paper 002", "Paper 003", "Paper 004", "The card",
    }  # fmt: skip
    for promise in PROMISES:
        is_unmet = promise.met_by in {OPEN, ABSENT}
        assert is_unmet != bool(promise.references), f"{promise.text}: name a place, or say open or absent"
        if is_unmet or promise.remark.startswith(PARTLY):
            reason = promise.remark.removeprefix(PARTLY).split()
            assert len(reason) >= FEWEST_WORDS, f"{promise.text}: give a reason"


def test_open_promises_only_become_fewer() -> None:
    """As many rows are open or partly met as written down: lower the number with each that is met."""
    counts = {
        "open": sum(promise.met_by == OPEN for promise in PROMISES),
        "partly": sum(promise.remark.startswith(PARTLY) for promise in PROMISES),
    }

    assert counts == json.loads(COUNTS.read_text(encoding="utf-8")), f"lower the numbers in {COUNTS.name}"
