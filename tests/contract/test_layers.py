from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = "stretto"
SOURCE = Path(__file__).parents[2] / "src" / PACKAGE

LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"names", "errors", "clock", "version"}),
    frozenset({"state", "model", "format"}),
    frozenset({"sources", "journal", "figures", "hook", "demo", "prices"}),
    frozenset({"store", "servers", "notifications", "api", "resources"}),
    frozenset({"summaries"}),
    frozenset({"exporter", "otlp_export", "web"}),
    frozenset({"cli", "service", "config", "__main__"}),
)
"""Each room's layer, from the bottom. A new room is added here before anything may import it."""

ALLOWED: dict[str, frozenset[str]] = {
    # The recording of an empty store is put together by the client, the readers and the journal.
    "demo": frozenset({"hook", "sources", "journal"}),
    # Test runs and written files are recognised by the client's own code, which can import from nowhere.
    "sources": frozenset({"hook"}),
    # The composition.
    "service": frozenset({"config"}),
    "cli": frozenset({"service", "config"}),
    "__main__": frozenset({"cli"}),
}
"""Room → neighbours in its own layer that it may import."""

LAYER_OF = {room: number for number, rooms in enumerate(LAYERS) for room in rooms}


def imported(path: Path, source: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, room) for each import of our own package: at the top, in functions, for types."""
    inside = [PACKAGE, *path.relative_to(source).with_suffix("").parts]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(inside[: -node.level]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            names = [f"{module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in {"import_module", "__import__"}:
                names = [str(node.args[0].value)]
        for name in names:
            root, _, rest = name.partition(".")
            if root == PACKAGE and rest:
                assert isinstance(node, ast.stmt | ast.expr)
                yield node.lineno, rest.partition(".")[0]


def faults(source: Path) -> list[str]:
    """Return every import that does not point downward."""
    found = []
    for path in sorted(source.rglob("*.py")):
        room = path.relative_to(source).parts[0].removesuffix(".py")
        if room == "__init__":
            # The front door shows what is inside; nothing inside may come in by it.
            continue
        where = path.relative_to(source)
        if room not in LAYER_OF:
            found.append(f"{where}: {room} has no layer")
            continue
        for line, other in imported(path, source):
            if other not in LAYER_OF:
                found.append(f"{where}:{line} imports {other}, which has no layer")
            elif other != room and LAYER_OF[other] >= LAYER_OF[room] and other not in ALLOWED.get(room, ()):
                way = "up" if LAYER_OF[other] > LAYER_OF[room] else "sideways"
                found.append(f"{where}:{line} imports {way}: {other}")
    return found


def test_imports_point_downward() -> None:
    """No module imports from a layer above or a neighbour, inside functions and for types included."""
    assert faults(SOURCE) == []


def test_every_room_is_found() -> None:
    """The walk sees the whole package and its imports, so that an empty answer means something."""
    seen = {room for path in SOURCE.rglob("*.py") for _, room in imported(path, SOURCE)}
    assert seen >= {"names", "errors", "clock", "model", "journal", "figures", "store", "summaries", "config"}


def test_the_model_needs_nothing_but_the_standard_library() -> None:
    """Facts, fold and entities could be taken anywhere."""
    import sys  # noqa: PLC0415  # for the list of its modules only

    for path in (SOURCE / "model").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            roots = {name.partition(".")[0] for name in names}
            assert roots <= {*sys.stdlib_module_names, PACKAGE}, path.name


@pytest.mark.parametrize(
    ("place", "text", "told"),
    [
        ("model/fold.py", "import stretto.store.queries", "model/fold.py:1 imports up: store"),
        ("model/fold.py", "from stretto import journal", "imports up: journal"),
        ("model/fold.py", "from .. import journal", "imports up: journal"),
        ("model/fold.py", "from ..journal import read", "imports up: journal"),
        ("model/fold.py", "def f():\n    from stretto.journal import read", "fold.py:2 imports up: journal"),
        (
            "figures/window.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from stretto.store.queries import Sums",
            "figures/window.py:3 imports up: store",
        ),
        ("figures/window.py", "from stretto.journal import read", "imports sideways: journal"),
        ("journal.py", "from stretto.sources.redact import redact", "journal.py:1 imports sideways: sources"),
        ("store/ingest.py", "from stretto.api.context import current", "imports sideways: api"),
        ("web/app.py", "from stretto.config import load", "imports up: config"),
        ("config.py", "from stretto.service import Service", "imports sideways: service"),
        ("service.py", "import importlib\nimportlib.import_module('stretto.cli.main')", "sideways: cli"),
        ("attic.py", "", "attic has no layer"),
        ("cli/main.py", "from stretto.attic import old", "imports attic, which has no layer"),
    ],
)
def test_an_import_that_points_elsewhere_is_found(tmp_path: Path, place: str, text: str, told: str) -> None:
    """Each way of importing is seen, whichever fault it is."""
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    (fault,) = faults(tmp_path)
    assert told in fault


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("model/fold.py", "from stretto.model.facts import learn\nfrom . import event\nimport json"),
        ("demo/__init__.py", "from stretto import journal\nfrom stretto.hook.client.client import record"),
        ("cli/main.py", "from stretto.service import Service\nfrom stretto import config"),
        ("web/app.py", "from stretto.model.event import Event\nfrom stretto.names import METRICS"),
        ("__init__.py", "from stretto.service import Service"),
    ],
)
def test_what_points_downward_is_no_fault(tmp_path: Path, place: str, text: str) -> None:
    """A package may import its own modules, layers below, and the neighbours that are allowed."""
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    assert faults(tmp_path) == []
