"""The tutorials work as they stand: their commands run in a folder of their own, in the order of the page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ports import find_free_port
from tests.stack.running import ROOT, require_servers

pytestmark = [pytest.mark.stack, pytest.mark.slow]

TUTORIALS = ROOT / "docs" / "tutorials"
BY_HAND = {"contributor"}
"""Tutorials that say of themselves that they were checked by hand."""

BEGIN = """
set -euo pipefail
trap 'kill $(jobs -p) 2> /dev/null; wait' EXIT
wait_for() {
  for _ in $(seq 600); do
    if python3 -c "from urllib.request import urlopen; urlopen('http://$STRETTO_LISTEN/readyz')" 2> /dev/null
    then return; fi
    sleep 0.2
  done
  return 1
}
"""
"""Before the commands: whatever they start ends with them."""

FOLLOWED = sorted(path for path in TUTORIALS.glob("*.md") if path.stem not in BY_HAND)


def read_commands(path: Path, port: int) -> str:
    """Return a tutorial's commands as a script for a service on another port, which it waits for."""
    blocks = re.findall(r"^```sh\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert blocks
    script = "".join(blocks).replace("127.0.0.1:9099", f"127.0.0.1:{find_free_port()}")
    return re.sub(r"^(stretto up .*&)$", r"\1\nwait_for", script, flags=re.MULTILINE).replace(
        "127.0.0.1:9464", f"127.0.0.1:{port}"
    )


@pytest.mark.parametrize("path", FOLLOWED, ids=lambda path: path.stem)
def test_a_tutorial_works(path: Path, tmp_path: Path) -> None:
    """Every command of the page ends well."""
    if path.stem == "platform":
        require_servers()
    port = find_free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STRETTO_", "OTEL_"))}
    ended = subprocess.run(
        ["bash", "-c", BEGIN + read_commands(path, port)],
        cwd=tmp_path,
        env={
            **kept,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "STRETTO_STATE": str(tmp_path / "state"),
            "STRETTO_LISTEN": f"127.0.0.1:{port}",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"


def test_every_person_has_a_tutorial() -> None:
    """The index names each tutorial, and one that no test follows says that it was checked by hand."""
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    found = {path.stem for path in TUTORIALS.glob("*.md")}
    assert {name for name in found if f"tutorials/{name}.md" in index} == found
    assert len(found) == 5
    for name in BY_HAND:
        assert "Checked by hand" in (TUTORIALS / f"{name}.md").read_text(encoding="utf-8")
