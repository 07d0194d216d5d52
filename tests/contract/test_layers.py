"""The order of the package: rooms import downward, files import in no circle, few files lie loose.

A room is a folder or a loose file at the top of ``src/stretto``. Imports in functions and for types count.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sources import walk_file

PACKAGE = "stretto"
SOURCE = Path(__file__).parents[2] / "src" / PACKAGE

LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"names", "errors", "clock", "version"}),
    frozenset({"state", "model", "format"}),
    frozenset({"sources", "journal", "features", "figures", "analysis", "hook", "demo", "cost_computation"}),
    frozenset({"store", "servers", "notifications", "api", "caching", "gates", "resources", "fleet"}),
    frozenset({"summaries"}),
    frozenset({"findings"}),
    frozenset({"operations", "reports", "feeds"}),
    frozenset({"exporter", "otlp_export", "shipping", "web", "mcp"}),
    frozenset({"cli", "service", "hub", "config", "__main__"}),
)
"""Each room's layer, from the bottom. Add a new room here before another room imports it."""

ALLOWED: dict[str, frozenset[str]] = {
    # The recording of an empty store is put together by the client, the readers and the journal.
    "demo": frozenset({"hook", "sources", "journal"}),
    # Test runs and written files are recognised by the client's own code, which can import from nowhere.
    "sources": frozenset({"hook"}),
    # What a level leaves out is decided for hooks by the client's own rules, likewise.
    "features": frozenset({"hook"}),
    # Caches of programs are counted by the API's counters and reported in its sessions.
    "caching": frozenset({"api"}),
    # The composition.
    "service": frozenset({"config"}),
    "hub": frozenset({"service", "config"}),
    "cli": frozenset({"service", "hub", "config"}),
    "__main__": frozenset({"cli"}),
}
"""Room → rooms of the same layer that it may import."""

LOOSE_FILES = 9
"""Most files at the top of the package beside the folders."""

LAYER_OF = {room: number for number, rooms in enumerate(LAYERS) for room in rooms}


def get_module_name(path: Path, source: Path) -> str:
    """Return the dotted name of a file: ``stretto.api.setup``; an ``__init__.py`` has its folder's."""
    parts = path.relative_to(source).with_suffix("").parts
    return ".".join([PACKAGE, *(parts[:-1] if parts[-1] == "__init__" else parts)])


def find_imports(path: Path, source: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) for each import of our own package: at the top, in functions, for types."""
    inside = [PACKAGE, *path.relative_to(source).with_suffix("").parts]
    for node in walk_file(path):
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
            if name.startswith(f"{PACKAGE}."):
                assert isinstance(node, ast.stmt | ast.expr)
                yield node.lineno, name


def list_layer_faults(source: Path) -> list[str]:
    """Return every import that does not point downward, each with the next step."""
    faults = []
    for path in sorted(source.rglob("*.py")):
        room = path.relative_to(source).parts[0].removesuffix(".py")
        if room == "__init__":
            # The package's front door names the public functions; nothing inside imports through it.
            continue
        where = path.relative_to(source)
        if room not in LAYER_OF:
            faults.append(f"{where}: {room} has no layer: {ADD_TO_LAYERS}")
            continue
        for line, name in find_imports(path, source):
            other = name.split(".")[1]
            if other not in LAYER_OF:
                faults.append(f"{where}:{line} imports {other}, which has no layer: {ADD_TO_LAYERS}")
            elif other != room and LAYER_OF[other] >= LAYER_OF[room] and other not in ALLOWED.get(room, ()):
                way = "up" if LAYER_OF[other] > LAYER_OF[room] else "sideways"
                faults.append(f"{where}:{line} imports {way}: {other}: {TURN_DOWNWARD}")
    return faults


ADD_TO_LAYERS = "add the room to LAYERS in tests/contract/test_layers.py, above everything it imports"
TURN_DOWNWARD = "move the shared part to a lower room, or let a room above both pass it in"
BREAK_CIRCLE = "move the part that both need to a file below them, or let the upper file register a callback"


def list_file_imports(source: Path) -> dict[str, list[str]]:
    """Return the files that each file imports, by dotted name."""
    files = {get_module_name(path, source): path for path in source.rglob("*.py")}
    graph: dict[str, list[str]] = {}
    for module, path in sorted(files.items()):
        imported = set()
        for _, name in find_imports(path, source):
            # ``stretto.api.context.carry`` is a function: the file is the longest known beginning.
            while name not in files:
                name = name.rpartition(".")[0]  # noqa: PLW2901  # cut step by step
            imported.add(name)
        graph[module] = sorted(imported - {module})
    return graph


def find_circle(graph: dict[str, list[str]]) -> list[str]:
    """Return the files of one circle of imports in their order, or nothing.

    Files that import nothing are removed, then those that only import removed ones, and so on. Example: of
    a → b → c → b and c → d, the files a, b and c are left; a walk from a meets b again: b → c → b.
    """
    left = {module: set(imported) for module, imported in graph.items()}
    while free := {module for module, imported in left.items() if not imported}:
        left = {module: imported - free for module, imported in left.items() if module not in free}
    way: list[str] = []
    module = min(left, default="")
    while module and module not in way:
        way.append(module)
        module = min(left[module])
    return [*way[way.index(module) :], module] if module else []


def test_imports_point_downward() -> None:
    """No module imports from a layer above or a neighbour, inside functions and for types included."""
    assert list_layer_faults(SOURCE) == []


def test_files_import_in_no_circle() -> None:
    """No file imports, directly or through others, a file that imports it; imports in functions count."""
    circle = find_circle(list_file_imports(SOURCE))
    assert not circle, f"{' → '.join(circle)}: {BREAK_CIRCLE}"


def test_the_top_of_the_package_has_few_loose_files() -> None:
    """At most nine files lie beside the folders, so that a newcomer can read the list."""
    loose = sorted(path.name for path in SOURCE.glob("*.py"))
    assert len(loose) <= LOOSE_FILES, f"{loose}: move the new file into a folder, or make a folder for it"


def test_every_room_of_the_tables_exists() -> None:
    """A room that was removed or renamed leaves the tables too."""
    rooms = {path.name.removesuffix(".py") for path in SOURCE.iterdir()}
    ghosts = sorted({*LAYER_OF, *ALLOWED, *(room for rooms in ALLOWED.values() for room in rooms)} - rooms)
    assert ghosts == [], "remove these rooms from LAYERS and ALLOWED in tests/contract/test_layers.py"


def test_every_room_is_found() -> None:
    """The walk sees the whole package and its imports, so that an empty answer means something."""
    seen = {name.split(".")[1] for path in SOURCE.rglob("*.py") for _, name in find_imports(path, SOURCE)}
    assert seen >= {"names", "errors", "clock", "model", "journal", "figures", "store", "summaries", "config"}


def test_every_exception_is_used() -> None:
    """An import between rooms of a layer that no longer exists is removed from the table."""
    used = {
        (path.relative_to(SOURCE).parts[0].removesuffix(".py"), name.split(".")[1])
        for path in SOURCE.rglob("*.py")
        for _, name in find_imports(path, SOURCE)
    }
    listed = {(room, other) for room, others in ALLOWED.items() for other in others}
    assert sorted(listed - used) == [], "remove these from ALLOWED in tests/contract/test_layers.py"


def test_the_model_needs_nothing_but_the_standard_library_and_msgspec() -> None:
    """Facts, fold and entities can be used outside the package."""
    import sys  # noqa: PLC0415  # for the list of its modules only

    for path in (SOURCE / "model").glob("*.py"):
        for node in walk_file(path):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            roots = {name.partition(".")[0] for name in names}
            assert roots <= {*sys.stdlib_module_names, PACKAGE, "msgspec"}, path.name


@pytest.mark.parametrize(
    ("place", "text", "message"),
    [
        ("model/fold.py", "import stretto.store.sum_queries", "model/fold.py:1 imports up: store"),
        ("model/fold.py", "from stretto import journal", "imports up: journal"),
        ("model/fold.py", "from .. import journal", "imports up: journal"),
        ("model/fold.py", "from ..journal import read", "imports up: journal"),
        ("model/fold.py", "def f():\n    from stretto.journal import read", "fold.py:2 imports up: journal"),
        (
            "figures/window.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from stretto.store.run_rows import Run",
            "figures/window.py:3 imports up: store",
        ),
        ("figures/window.py", "from stretto.journal import read", "imports sideways: journal"),
        (
            "journal.py",
            "from stretto.sources.redact import redact_event",
            "journal.py:1 imports sideways: sources",
        ),
        ("store/ingest.py", "from stretto.api.context import get_context", "imports sideways: api"),
        ("web/app.py", "from stretto.config.loading import load_config", "imports up: config"),
        ("config/loading.py", "from stretto.service.service import Service", "imports sideways: service"),
        (
            "service/service.py",
            "import importlib\nimportlib.import_module('stretto.cli.main')",
            "sideways: cli",
        ),
        ("attic.py", "", "attic has no layer"),
        ("cli/main.py", "from stretto.attic import old", "imports attic, which has no layer"),
    ],
)
def test_an_import_that_points_elsewhere_is_found(
    tmp_path: Path, place: str, text: str, message: str
) -> None:
    """Each way of importing is seen, and the message ends with the next step."""
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    (fault,) = list_layer_faults(tmp_path)
    assert message in fault
    assert fault.endswith((ADD_TO_LAYERS, TURN_DOWNWARD))


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("model/fold.py", "from stretto.model.facts import learn\nfrom . import event\nimport json"),
        (
            "demo/__init__.py",
            "from stretto import journal\nfrom stretto.hook.client.client import build_record",
        ),
        ("cli/main.py", "from stretto.service.service import Service\nfrom stretto import config"),
        ("web/app.py", "from stretto.model.event import Event\nfrom stretto.names import METRICS"),
        ("__init__.py", "from stretto.service.service import Service"),
    ],
)
def test_an_import_that_points_downward_is_no_fault(tmp_path: Path, place: str, text: str) -> None:
    """A package may import its own modules, layers below, and the neighbours that are allowed."""
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    assert list_layer_faults(tmp_path) == []


@pytest.mark.parametrize(
    ("texts", "circle"),
    [
        ({"a.py": "from stretto import b", "b.py": "from stretto.c import f", "c.py": ""}, []),
        (
            {"a.py": "import stretto.b", "b.py": "def f():\n    from stretto import a"},
            ["stretto.a", "stretto.b", "stretto.a"],
        ),
        (
            {
                "room/__init__.py": "from stretto.room.a import f",
                "room/a.py": "from stretto.room.b import g",
                "room/b.py": "from stretto.room import f",
            },
            ["stretto.room", "stretto.room.a", "stretto.room.b", "stretto.room"],
        ),
        (
            {
                "a.py": "from stretto import b",
                "b.py": "from stretto import c, d",
                "c.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from stretto import b",
                "d.py": "",
            },
            ["stretto.b", "stretto.c", "stretto.b"],
        ),
    ],
)
def test_a_circle_is_found(tmp_path: Path, texts: dict[str, str], circle: list[str]) -> None:
    """A circle shows its files in order, also when it leads through a function, a type or a folder."""
    (tmp_path / "__init__.py").write_text("", encoding="utf-8")
    for place, text in texts.items():
        path = tmp_path / place
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert find_circle(list_file_imports(tmp_path)) == circle
