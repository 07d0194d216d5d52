"""Documentation cannot lie: generated pages are compared, everything a user can name is described."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.contract.test_layers import LAYERS

from stretto.config.task_type_tables import PRESETS
from stretto.names import METRICS

ROOT = Path(__file__).parents[2]


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_generated_pages_are_fresh() -> None:
    """The references of metrics, commands and dashboards are what the code would write today."""
    checked = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_metric_is_documented() -> None:
    """Each name on the wire has its line in the reference."""
    page = _text("docs/metrics.md")

    assert [name for name in METRICS if f"`{name}`" not in page] == [], "run make docs"


def test_the_readme_shows_both_commands() -> None:
    """A newcomer finds make up and make test."""
    readme = _text("README.md")

    assert "make up" in readme
    assert "make test" in readme


def test_every_setting_is_documented() -> None:
    """Each key of the configuration and its variable stand in docs/configuration.md."""
    from stretto.config.settings_table import SETTINGS  # noqa: PLC0415  # used by this test only

    page = _text("docs/configuration.md")
    for key, (_, _, variable) in SETTINGS.items():
        assert f"`{key}`" in page, f"describe the setting {key} in docs/configuration.md"
        assert f"`{variable}`" in page, f"name {variable} beside {key} in docs/configuration.md"
    for preset in PRESETS:
        assert f"`{preset}`" in page, preset


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md")), ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link and picture in a page exists."""
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), target


def test_recipes_name_files_that_exist() -> None:
    """Each file that docs/extending.md sends a reader to is there: follow the move in the recipe."""
    page = _text("docs/extending.md")
    files = re.findall(r"`((?:src|tests|docs|grafana|prometheus)/[^`]+)`", page)

    assert len(files) > 40
    assert [name for name in files if not (ROOT / name).exists()] == []
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == [
        "A figure", "An alert", "A verb", "An agent", "A history", "A page",
    ]  # fmt: skip


def test_the_layers_on_paper_are_those_that_are_tested() -> None:
    """The table in docs/architecture.md has the rooms of each layer: change both together."""
    rows = re.findall(r"^\| (\d) \| (.+) \|$", _text("docs/architecture.md"), re.MULTILINE)

    assert [set(re.findall(r"`(\w+)`", rooms)) for _, rooms in rows] == [
        rooms - {"__main__"} for rooms in LAYERS
    ]


def test_the_architecture_names_modules_that_exist() -> None:
    """Each module that the paragraphs of docs/architecture.md name is a file or a folder of the package."""
    text = _text("docs/architecture.md").partition("**names,")[2].partition("## What stays")[0]
    modules = {path.stem for path in (ROOT / "src" / "stretto").rglob("*")} | {"render", "src"}
    named = set(re.findall(r"`(?:[a-z_]+/)?([a-z_]+)`", text))

    assert named - modules <= {"stretto"}
