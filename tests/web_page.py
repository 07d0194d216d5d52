"""Pages taken apart, and the scenes that they show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser

import httpx

from stretto.clock import HOUR, MINUTE
from tests.web_served import NOON, Store, Work, served

BLOCK = frozenset({"dt", "dd", "th", "td", "li", "p", "figcaption", "summary", "h1", "h2", "h3"})
VOID = frozenset({"meta", "link", "rect", "line", "img", "br", "input", "wbr", "hr"})

ARCHITECTURE = Work(0, 30, "review architecture", "architect")
TESTS = Work(0, 20, "write tests", "tester")
ONE_BY_ONE = (ARCHITECTURE, Work(31, 51, "write tests", "tester"))


def make_waves(at_once: int, tasks: int = 40) -> list[Work]:
    """Return tasks of eight agents in waves of so many at once, each wave a little over two minutes long."""
    agents = ("architect", "tester", "researcher", "writer", "reviewer", "designer", "operator", "developer")
    kinds = ("write tests", "review architecture", "research the market", "fix the parser")
    work = []
    for number in range(tasks):
        wave, place = divmod(number, at_once)
        start = 125 * wave + place
        length = 60 + 7 * (number * 5 % 9)
        title = f"{kinds[number % len(kinds)]} {number}"
        work.append(Work(start, start + length, title, agents[number % len(agents)], ok=number % 13 != 5))
    return work


class Page(HTMLParser):
    """A page taken apart: its addresses, its elements and its text; fails on markup that does not close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.explanations: list[str] = []
        """The descriptions of shapes and of figures."""
        self._hidden = 0
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    @property
    def text(self) -> str:
        """All text, spaces made one."""
        return re.sub(r"\s+", " ", "".join(self.words))

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of each element of one kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        names = ("href", "src", "action", "srcset", "data", "poster")
        self.addresses += [value for name, value in attrs if name in names and value]
        if tag in VOID:
            return
        self._open.append(tag)
        if self._hidden:
            self._hidden += 1
        elif "popover" in dict(attrs) or (tag == "title" and "svg" in self._open):
            self._hidden = 1
            self.explanations.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._close(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in BLOCK and not self._hidden:
            self.words.append(" ")
        if tag not in VOID:
            self._close(tag)

    def handle_data(self, data: str) -> None:
        if self._hidden:
            self.explanations[-1] += data
        else:
            self.words.append(data)

    def _close(self, tag: str) -> None:
        assert self._open.pop() == tag
        self._hidden = max(0, self._hidden - 1)


def read(client: httpx.Client, path: str = "/") -> Page:
    """Return a page as it was served."""
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    return Page(answer.text)


@contextmanager
def shown(store: Store) -> Iterator[httpx.Client]:
    """Work the figures out and serve them."""
    store.refresh()
    with served(store.make_backend()) as client:
        yield client


def full(store: Store) -> None:
    """Add sessions that fill every part of the overview."""
    store.scene("one-by-one", NOON - 3 * HOUR, ONE_BY_ONE)
    store.earlier_runs(ONE_BY_ONE)
    store.scene("together", NOON - 2 * HOUR, (ARCHITECTURE, TESTS))
    store.scene(
        "alone", NOON - HOUR, (Work(0, 5, "look around", "explorer"), Work(9, None, "stay", "explorer"))
    )
    store.scene("open", NOON - MINUTE, (Work(0, None),), over=False)
    store.garble()
