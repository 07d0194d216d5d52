"""Hints about installing name what can be installed: no index has the package under its name yet."""

from __future__ import annotations

import re
from pathlib import Path

from stretto.version import describe_extra_install

ROOT = Path(__file__).parents[1]
BY_NAME = re.compile(
    r"(?:pip3? install|pipx install|uv tool install|uvx)\s+(?:-\S+\s+)*['\"]?stretto\b(?!-|/)"
)
PLACES = ("src", "docs", "deploy", "examples", "grafana", "README.md", "CONTRIBUTING.md")


def test_no_hint_installs_by_name() -> None:
    """No page, program or plugin sends anybody to an index for ``stretto``."""
    files = [
        path
        for place in PLACES
        for path in ([ROOT / place] if (ROOT / place).is_file() else (ROOT / place).rglob("*"))
        if path.suffix in {".py", ".md", ".yml", ".yaml", ".html", ".sh", ".toml", ".json"}
    ]

    assert len(files) > 300
    assert [str(path) for path in files if BY_NAME.search(path.read_text(encoding="utf-8"))] == []
    assert BY_NAME.search("pip install 'stretto[grpc]'")
    assert BY_NAME.search("uvx stretto up")
    assert not BY_NAME.search("pip install dist/stretto-0.1.0-py3-none-any.whl")


def test_an_extra_is_installed_by_its_packages() -> None:
    """The command installs what the extra lists into this environment, with its bounds."""
    command = describe_extra_install("grpc")

    assert command.endswith("-m pip install 'grpcio>=1.70'")
    assert "extra no-such" in describe_extra_install("no-such")
