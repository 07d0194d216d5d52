"""From a journal on a machine to the page of its owner at a hub, by the programs that people run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stretto.cli.main import main
from stretto.clock import read_wall_clock
from stretto.config.loading import load_config
from stretto.hub import scope_service
from stretto.hub.access_tokens import AccessToken, TokenRole, hash_token
from stretto.hub.engine_opening import open_engine
from stretto.hub.hub_app import HubApp
from stretto.hub.open_scopes import OpenScopes
from stretto.web.live_updates import UpdateStreams
from tests.fakes import append
from tests.scenes import straggler
from tests.shipped import TOKEN
from tests.test_shipping import enrol, move_to_now
from tests.web_served import serve_app


def test_what_a_machine_ships_is_what_its_owner_reads_at_the_hub(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The speed-up is the machine's own, the project is a hash, and a forgotten session is gone."""
    monkeypatch.delenv("STRETTO_REQUIRE_SERVERS", raising=False)
    monkeypatch.setattr(scope_service, "REFRESH_SECONDS", 0.0)
    state = tmp_path / "machine"

    def run(*words: str) -> Any:
        assert main(["--state", str(state), *words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    database = open_engine(f"sqlite:{tmp_path / 'hub.sqlite'}")
    database.prepare()
    database.add_token(
        AccessToken(
            hash=hash_token(TOKEN), tenant="acme", team="red", owner="ann", role=TokenRole.ME, added=1
        )
    )
    config = load_config({}, tmp_path, state=str(tmp_path / "hub"))
    scopes = OpenScopes(
        config, tmp_path / "scopes", database, clock=read_wall_clock, version="1", hosts=frozenset()
    )
    hub = HubApp(database, scopes, clock=read_wall_clock)
    append(state / "journal", move_to_now(straggler("a-session-id").events))
    with serve_app(hub, UpdateStreams()) as client:
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        run("fleet", "join", str(enrol(tmp_path, str(client.base_url))))
        assert run("ship", "--once")["shipped"] == 1
        (own,) = run("sessions")["sessions"]
        (shipped,) = client.get("/api/sessions").json()["sessions"]
        assert own["project"] == "shop"
        assert shipped["project"].startswith("~")
        same = ("start", "end", "outcome", "tasks", "fanouts", "speedup", "delivered", "failures")
        assert [shipped[name] for name in same] == [own[name] for name in same]
        assert own["speedup"] > 1
        assert run("ship", "--forget", "a-session-id") == {"forgotten": 1}
        assert client.get("/api/sessions").json()["sessions"] == []
    scopes.close()
    database.close()
