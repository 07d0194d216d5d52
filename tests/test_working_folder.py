"""A session belongs to its repository, whichever client reports the folder that it works in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stretto.hook.client.client import hash_repository
from stretto.sources.codex.rollout import RolloutDecoder
from stretto.sources.histories.decoder import FileFacts
from stretto.sources.otlp.receive import Signal
from stretto.sources.working_folder import describe_folder
from tests.otlp_requests import attributes, events_of, log, logs, receive, sessions, span, traces


def test_a_worktree_is_named_beside_its_repository() -> None:
    """Both have the hash of the repository's path; another repository of the name has another."""
    main = describe_folder("/home/a/shop", b"k")
    worktree = describe_folder("/home/a/shop/.worktrees/1/src", b"k")
    other = describe_folder("/home/b/shop", b"k")

    assert (main["project"], main.get("worktree")) == ("shop", None)
    assert (worktree["project"], worktree["worktree"]) == ("shop", "1")
    assert worktree["repository"] == main["repository"] != other["repository"]


def test_without_key_or_folder_less_is_known() -> None:
    """Without a key nothing is hashed, and what is no path gives nothing."""
    assert describe_folder("/home/a/shop", b"") == {"project": "shop"}
    assert describe_folder(None, b"k") == {}
    assert hash_repository("", b"k") is None


def test_a_history_names_the_repository_of_a_worktree(tmp_path: Path) -> None:
    """Codex ran in a worktree that git made beside the repository: the project is the repository."""
    (tmp_path / "shop/.git").mkdir(parents=True)
    (tmp_path / "feature").mkdir()
    (tmp_path / "feature/.git").write_text(f"gitdir: {tmp_path}/shop/.git/worktrees/feature\n")
    decoder = RolloutDecoder(FileFacts(), {}, key=b"k")
    decoder.decode(
        {
            "timestamp": "2026-11-20T10:00:00.000Z",
            "type": "session_meta",
            "payload": {
                "id": "s",
                "timestamp": "2026-11-20T10:00:00.000Z",
                "cwd": f"{tmp_path}/feature",
            },
        }
    )
    (start,) = decoder.events
    repository = hash_repository(f"{tmp_path}/shop", b"k")
    assert start.attributes == {"project": "shop", "worktree": "feature", "repository": repository}


@pytest.mark.parametrize("name", ["service.namespace", "project"])
def test_telemetry_names_the_project_by_its_resource(name: str) -> None:
    """Whoever sends telemetry has no folder: the resource's namespace, or a project, names it."""
    agent: dict[str, Any] = {"gen_ai__operation__name": "invoke_agent", "session__id": "s"}
    request = traces([span("invoke_agent", 1, **agent)])
    request["resourceSpans"][0]["resource"]["attributes"] += attributes({name: "shop"})
    (session,) = sessions(events_of(receive(request).records)).values()
    assert session.project == "shop"


def test_claude_codes_telemetry_names_the_project_by_its_resource() -> None:
    """Its log events come without a folder too."""
    prompt: dict[str, Any] = {"session.id": "s", "prompt.id": "p"}
    request = logs([log("user_prompt", **prompt)], service="claude-code")
    request["resourceLogs"][0]["resource"]["attributes"] += attributes({"service.namespace": "shop"})
    (session,) = sessions(events_of(receive(request, Signal.LOGS).records)).values()
    assert session.project == "shop"
