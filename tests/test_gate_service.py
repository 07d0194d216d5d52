"""Baselines of gates in a service: saved and compared by build servers that keep no files."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from stretto.gates.benchmark_measurements import MeasurementError, Measurements
from stretto.gates.service_baseline_folder import MOST_BASELINES, BaselineFolder
from tests.ports import reserve_dead_address
from tests.test_cli_gate import folder, read_gitlab_job, run, run_action, run_shell  # noqa: F401  # a fixture
from tests.web_served import Store, served

TOKEN = "a long random text"


def test_a_baseline_in_the_service_judges_elsewhere(
    folder: Path,  # noqa: F811  # the fixture
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One build server saves, another with a folder of its own compares; slower runs do not replace it."""
    with served(Store(tmp_path / "service").make_backend()) as client:
        url = str(client.base_url)
        assert run("gate", "before", "--save", "main", "--service", url) == 0
        monkeypatch.setenv("STRETTO_STATE", str(tmp_path / "another"))
        assert run("gate", "same", "--baseline", "main", "--service", url) == 0
        assert run("gate", "slower", "--baseline", "main", "--save", "main", "--service", url) == 1
        assert run("gate", "thin", "--baseline", "main", "--service", f"{url}/") == 4
        assert client.get("/api/gates/baselines").json() == {"baselines": ["main"]}
        document = client.get("/api/gates/baselines/main").json()
        capsys.readouterr()
        assert run("gate", "same", "--baseline", "other", "--service", url) == 3
        hint = capsys.readouterr().err
    assert sorted(document["runs"]) == ["fast", "slow"]
    assert len(document["runs"]["slow"]) == 10
    assert max(document["runs"]["slow"]) < 1.3, "the slower runs have not replaced it"
    assert not (folder.parent / "state" / "gates").exists()
    assert "there is no baseline other" in hint
    assert f"--save other --service {url}" in hint


def test_the_repository_goes_first(folder: Path, tmp_path: Path) -> None:  # noqa: F811  # the fixture
    """A file of the repository is compared with, and a path is saved to, though a service is named."""
    assert folder.exists()
    with served(Store(tmp_path / "service").make_backend()) as client:
        options = ("--service", str(client.base_url))
        assert run("gate", "before", "--save", ".stretto/baselines/main.json", *options) == 0
        assert run("gate", "slower", "--save", "main", *options) == 0
        assert run("gate", "slower", "--baseline", "main", *options) == 1
        assert client.get("/api/gates/baselines").json() == {"baselines": ["main"]}


def test_a_token_is_asked_for(
    folder: Path,  # noqa: F811  # the fixture
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without it nothing is read or saved, and the error names the variable."""
    assert folder.exists()
    with served(Store(tmp_path / "service").make_backend(token=TOKEN)) as client:
        options = ("--service", str(client.base_url))
        assert run("gate", "before", "--save", "main", *options) == 3
        assert "STRETTO_TOKEN" in capsys.readouterr().err
        monkeypatch.setenv("STRETTO_TOKEN", TOKEN)
        assert run("gate", "before", "--save", "main", *options) == 0
        assert run("gate", "slower", "--baseline", "main", *options) == 1
    capsys.readouterr()
    assert run("gate", "before", "--save", "main", "--service", "http://build.example.org") == 2
    assert "unencrypted" in capsys.readouterr().err


def test_a_service_that_cannot_help_is_named(
    folder: Path,  # noqa: F811  # the fixture
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No service there, no address, a name that is none: the error says which."""
    assert folder.exists()
    with reserve_dead_address() as address:
        assert run("gate", "before", "--save", "main", "--service", f"http://{address}") == 3
    assert "does not answer" in capsys.readouterr().err
    assert run("gate", "before", "--save", "main", "--service", "build-server") == 2
    assert "is no address of a service" in capsys.readouterr().err
    with served(Store(tmp_path / "service").make_backend()) as client:
        assert run("gate", "before", "--save", "..", "--service", str(client.base_url)) == 3
        assert "is no name of a baseline" in capsys.readouterr().err
    assert run("gate", "before", "--save", "..") == 3
    assert "is no name of a baseline" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"{", "not JSON"), (b"[]", "this is not a baseline"), (b'{"format": 99}', "is of format 99"),
        (json.dumps({"format": 1, "runs": {"a": [-1]}, "machine": None, "reference_seconds": None,
                     "source": "", "counts": {}}).encode(), "a time is not a number"),
    ],
)  # fmt: skip
def test_what_is_no_baseline_is_refused(tmp_path: Path, body: bytes, problem: str) -> None:
    """The answer is 400 with the problem, and nothing is kept."""
    with served(Store(tmp_path).make_backend()) as client:
        refused = put(client, body)
        assert (refused.status_code, problem in refused.json()["error"]) == (400, True), refused.text
        assert client.get("/api/gates/baselines").json() == {"baselines": []}
        assert client.get("/api/gates/baselines/main").status_code == 404
        assert client.post("/api/gates/baselines/main").status_code == 405


def put(client: httpx.Client, body: bytes) -> httpx.Response:
    headers = {"Content-Type": "application/json"}
    return client.put("/api/gates/baselines/main", content=body, headers=headers)


def test_a_folder_keeps_names_apart(tmp_path: Path) -> None:
    """A slash becomes an underscore; nothing leads out of the folder; a damaged file is named."""
    kept = BaselineFolder(tmp_path / "gates")
    assert kept.list_names() == []
    kept.write_baseline("feature/x", Measurements({"a": (1.0,)}))
    assert kept.list_names() == ["feature_x"]
    assert kept.read_baseline("feature/x") == Measurements({"a": (1.0,)})
    assert kept.read_baseline("main") is None
    for name in ("..", ".hidden", "", "a b", "x" * 101):
        with pytest.raises(MeasurementError, match="no name of a baseline"):
            kept.find_path(name)
    (tmp_path / "gates" / "torn.json").write_text("{")
    with pytest.raises(MeasurementError, match="cannot be read"):
        kept.read_baseline("torn")


def test_action_and_job_use_the_service(folder: Path, tmp_path: Path) -> None:  # noqa: F811  # the fixture
    """GitHub's action and GitLab's job hand the address on."""
    with served(Store(tmp_path / "service").make_backend()) as client:
        url = str(client.base_url)
        assert run("gate", "before", "--save", "main", "--service", url) == 0
        code, printed, _ = run_action(folder, reports="slower", baseline="main", service=url)
        assert code == 1, printed
        script, job = read_gitlab_job()
        done = run_shell(script, folder, **job["variables"] | {"REPORTS": "same", "SERVICE": url})
        assert done.returncode == 0, done.stderr


def test_new_names_have_an_end(tmp_path: Path) -> None:
    """Whoever may send baselines cannot fill the disk with names; a known name is still replaced."""
    place = tmp_path / "state" / "gates"
    place.mkdir(parents=True)
    for number in range(MOST_BASELINES):
        (place / f"build-{number}.json").touch()
    kept = BaselineFolder(place)
    with pytest.raises(MeasurementError, match="there are 1000 baselines already"):
        kept.write_baseline("another", Measurements({"a": (1.0,)}))
    kept.write_baseline("build-7", Measurements({"a": (1.0,)}))
    assert kept.read_baseline("build-7") is not None
