"""The run with every optional part switched off."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.needed_parts import ALL, NEEDED, find_needed_parts

TESTS = Path(__file__).parent


def test_each_row_names_a_test_and_known_parts() -> None:
    """A row whose test is gone, or that names no part, would stay for ever."""
    for place, parts in NEEDED.items():
        module, _, test = place.partition("::")
        (path,) = TESTS.rglob(f"{module}.py")
        text = path.read_text(encoding="utf-8")
        assert f"def {test}(" in text if test else "def test_" in text, place
        assert parts, place
        assert parts <= ALL, place
    assert find_needed_parts("test_service", "test_a_busy_agent_is_sampled_into_the_journal") == {
        "level", "resources",
    }  # fmt: skip
    assert find_needed_parts("test_interval", "any") == frozenset()


def test_everything_else_is_off_in_that_run(tmp_path: Path) -> None:
    """A test without a row sees all parts off and the level minimal, here and in the programs it starts."""
    probe = tmp_path / "test_probe.py"
    probe.write_text(
        "import os\n"
        "from stretto.config.loading import load_config\n"
        "from stretto.features.feature_switches import FEATURES\n"
        "def test_probe(tmp_path):\n"
        "    features = load_config({}, tmp_path, state=str(tmp_path)).features\n"
        "    assert features.list_off() == [*FEATURES]\n"
        "    assert features.level == os.environ['STRETTO_FEATURES_LEVEL'] == 'minimal'\n"
        "    assert {os.environ[each.variable] for each in FEATURES.values()} == {'off'}\n"
    )
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:randomly",
        f"--rootdir={tmp_path}", str(probe),
    ]  # fmt: skip
    own = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    environment = {**own, "SWITCHED_OFF_SUITE": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        command, cwd=TESTS.parent, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert run.returncode == 0, run.stdout + run.stderr
