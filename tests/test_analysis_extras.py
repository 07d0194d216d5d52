"""The extras of the analyses: a clear error without them, and no cost for everybody else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from stretto.analysis.installed_extras import EXTRAS, find_missing_package, require_extra
from stretto.errors import AnalysisNotInstalledError
from tests.fakes import ROOT

HEAVY = "{'numpy', 'scipy', 'statsmodels', 'sklearn', 'pandas'}"
LOADED = f"print(*sorted({HEAVY} & {{name.partition('.')[0] for name in sys.modules}}))"


def list_heavy(program: str, tmp_path: Path) -> list[str]:
    """Return the heavy packages that a program has loaded at its end, in a process of its own."""
    environ = {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]), "HOME": str(tmp_path)}
    return subprocess.check_output(
        [sys.executable, "-c", f"{program}\nimport sys\n{LOADED}"],
        env={**environ, "STRETTO_STATE": str(tmp_path / "state"), "PATH": os.environ["PATH"]},
        text=True,
    ).split()


def test_a_missing_extra_is_named_with_its_command() -> None:
    """Without numpy the error names the package that lacks and how to install it."""
    with pytest.raises(AnalysisNotInstalledError, match="the package numpy is not installed") as caught:
        require_extra("analysis", lambda name: None if name == "numpy" else name)
    assert caught.value.extra == "analysis"
    assert "pip install 'numpy>=" in caught.value.hint
    assert "'stretto" not in caught.value.hint


def test_only_what_lacks_is_missing() -> None:
    """Forecasts need statsmodels, changes do not; here everything is installed."""
    assert (
        find_missing_package("forecast", lambda name: None if name == "statsmodels" else name)
        == "statsmodels"
    )
    assert find_missing_package("analysis", lambda name: None if name == "statsmodels" else name) is None
    for extra in EXTRAS:
        require_extra(extra)


def test_the_extras_are_those_of_the_package() -> None:
    """Each extra of the table is declared with its packages, and the image installs them all."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = {"sklearn": "scikit-learn"}
    for extra, packages in EXTRAS.items():
        assert [entry.partition(">")[0] for entry in declared[extra]] == [names.get(p, p) for p in packages]
        assert set(declared[extra]) <= set(declared["dev"])
    [installed] = re.findall(r'"\.\[([a-z,]+)\]"', (ROOT / "deploy/Dockerfile").read_text())
    assert set(EXTRAS) <= set(installed.split(","))


def test_hook_and_api_load_no_numbers(tmp_path: Path) -> None:
    """A hook process and a program that records a session never load numpy or scipy."""
    program = """
from stretto.hook.client import client
assert client.build_record(b'{"session_id": "s", "hook_event_name": "Stop"}', 1)
import stretto
stretto.configure()
with stretto.session("s"), stretto.phase("p"), stretto.task("t", type="tests", agent="a") as task:
    task.score("quality", 9)
stretto.flush()
"""
    assert list_heavy(program, tmp_path) == []


def test_the_bare_service_loads_no_numbers(tmp_path: Path) -> None:
    """A service that was scraped and whose pages were read has loaded neither numpy nor scipy."""
    program = """
from pathlib import Path
from tests.test_service import configured, report, samples, started, whole_session
from tests.waiting import until
from tests.web_served import served
import stretto.cli.main
from stretto.cli.up import _build_backend
config = configured(Path.home())
with started(config) as service:
    report(config, "mine", *whole_session("mine"))
    assert until(lambda: service.answers.summarise_session("mine") is not None)
    samples(service)
    with served(_build_backend(config, service, service.list_problems)) as client:
        for path in ("/", "/findings", "/api/findings", "/sessions/mine"):
            assert client.get(path).status_code == 200, path
"""
    assert list_heavy(program, tmp_path) == []


def test_the_count_sees_a_loaded_package(tmp_path: Path) -> None:
    """The two tests above would see numpy: a program that loads it is caught."""
    assert list_heavy("import numpy", tmp_path) == ["numpy"]
