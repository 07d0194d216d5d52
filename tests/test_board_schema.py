"""The dashboards against Grafana's own types: its npm package, turned into JSON Schema."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from grafana.board.build import DASHBOARDS

pytestmark = pytest.mark.npm

PACKAGE = DASHBOARDS.parent / "schema" / "package.json"
PINNED: dict[str, str] = json.loads(PACKAGE.read_text())["dependencies"]
KINDS = ("bargauge", "stat", "state-timeline", "table", "timeseries")
WITH_LINES = ("state-timeline", "timeseries")
TYPES = {
    "dashboard": ("dashboard", "Dashboard"),
    **{f"{kind} options": (f"composable/{kind.replace('-', '')}/panelcfg", "Options") for kind in KINDS},
    **{
        f"{kind} custom": (f"composable/{kind.replace('-', '')}/panelcfg", "FieldConfig")
        for kind in WITH_LINES
    },
}
"""Name of a schema → the package's module and its type."""

# Type checking would want the types of everything that the package refers to.
GENERATOR = """
const [types, path] = process.argv.slice(1);
import("ts-json-schema-generator").then(({ createGenerator }) => {
  const generate = ([path, type]) => createGenerator({ path, type, skipTypeCheck: true }).createSchema(type);
  const schemas = Object.entries(JSON.parse(types)).map(([name, source]) => [name, generate(source)]);
  const { renameSync, writeFileSync } = require("node:fs");
  writeFileSync(`${path}.new`, JSON.stringify(Object.fromEntries(schemas)));
  renameSync(`${path}.new`, path);
});
"""
"""A program for Node: names with sources as JSON, and the file that gets the schemas by name."""

ONCE = ("--fetch-retries=0", "--fetch-timeout=60000")
"""Without a network npm gives up soon."""
OF_DATASOURCE = {"target", "titleFormat", "textFormat"}
"""What an annotation has from its data source. The package's types know only the built-in source's target,
which they call a thing to mend; the builder's types cover ours."""

Schemas = dict[str, jsonschema.protocols.Validator]


def unavailable(reason: str) -> None:
    """Skip, unless the run may not skip."""
    if os.environ.get("STRETTO_REQUIRE_SERVERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def installed(folder: Path) -> None:
    """Install the pinned packages into a folder, once."""
    if (folder / "node_modules/.package-lock.json").exists():
        return
    npm = shutil.which("npm")
    if npm is None:
        unavailable("npm is not installed: Grafana's schema cannot be had")
    shutil.copy(PACKAGE, folder)
    ended = subprocess.run(
        [str(npm), "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", *ONCE],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if ended.returncode:
        unavailable(f"npm install failed: {ended.stderr[-300:]}")


def generate(folder: Path, path: Path) -> None:
    """Write the schemas of all TYPES to a file, in one run of the generator: each parses the package anew."""
    node = shutil.which("node")
    if node is None:
        unavailable("node is not installed: Grafana's schema cannot be generated")
    types = {
        name: [f"node_modules/@grafana/schema/dist/types/raw/{module}/x/types.gen.d.ts", kind]
        for name, (module, kind) in TYPES.items()
    }
    ended = subprocess.run(
        [str(node), "-e", GENERATOR, json.dumps(types), str(path)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr


@pytest.fixture(scope="module")
def schemas(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Schemas:
    """The schema of a dashboard, and those of each panel's options and lines; kept between runs."""
    name = "grafana-schema-" + "-".join(PINNED.values())
    cache = getattr(pytestconfig, "cache", None)
    folder = cache.mkdir(name) if cache is not None else tmp_path_factory.mktemp(name)
    installed(folder)
    path = folder / "schemas.json"
    if not path.exists() or json.loads(path.read_text()).keys() != TYPES.keys():
        generate(folder, path)
    found: Schemas = {}
    for name, schema in json.loads(path.read_text()).items():
        jsonschema.Draft7Validator.check_schema(schema)
        found[name] = jsonschema.Draft7Validator(schema)
    return found


def faults(schemas: Schemas, dashboard: dict[str, Any]) -> Iterator[str]:
    """Yield every place where a dashboard is not what Grafana's types say."""
    whole = copy.deepcopy(dashboard)
    for annotation in whole["annotations"]["list"]:
        for name in OF_DATASOURCE:
            annotation.pop(name, None)
    parts = [("dashboard", "", whole)]
    for panel in (panel for panel in dashboard["panels"] if panel["type"] != "row"):
        parts.append((f"{panel['type']} options", panel["title"], panel["options"]))
        if f"{panel['type']} custom" in schemas:
            parts.append(
                (f"{panel['type']} custom", panel["title"], panel["fieldConfig"]["defaults"]["custom"])
            )
    for schema, title, part in parts:
        for error in schemas[schema].iter_errors(part):
            yield f"{schema} {title} {error.json_path}: {error.message[:200]}"


@pytest.mark.parametrize("path", sorted(DASHBOARDS.glob("*.json")), ids=lambda path: str(path.stem))
def test_a_dashboard_is_what_grafana_s_types_say(schemas: Schemas, path: Path) -> None:
    """No unknown key, no wrong type, no missing part, in the dashboard and in the options of its panels."""
    assert list(faults(schemas, json.loads(path.read_text()))) == []


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("refresh",), 30),
        (("made_up",), True),
        (("templating", "list", 0, "auto"), False),
        (("panels", 1, "gridPos", "w"), "6"),
        (("panels", 1, "fieldConfig", "defaults", "thresholds", "mode"), "relative"),
        (("panels", 1, "options", "graphMode"), "curve"),
        (("panels", 1, "options", "made_up"), 1),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else str(value),
)
def test_a_planted_fault_is_found(schemas: Schemas, where: tuple[str | int, ...], value: Any) -> None:
    """The schemas are strict: a wrong key or value in a good dashboard is found."""
    dashboard = json.loads((DASHBOARDS / "overview.json").read_text())
    inside = dashboard
    for step in where[:-1]:
        inside = inside[step]
    inside[where[-1]] = value
    assert list(faults(schemas, dashboard))
