"""Alertmanager's own tool reads the example and renders the templates, of each version that is at hand."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from stretto.errors import ConfigError
from stretto.notifications.silence_link import build_silence_url
from stretto.servers.merge_receivers import check_receivers, merge_receivers, read_receivers
from stretto.servers.supervisor import find_shipped_folder
from tests.stack.test_promtool import accepted, program, run

pytestmark = pytest.mark.stack

SHIPPED = find_shipped_folder("alertmanager")
LABELS = {"alertname": "StrettoAgentErrors", "severity": "critical", "agent": 'a <!channel> & "b" + ü/c\\d'}
SILENCE = build_silence_url("http://127.0.0.1:9093", LABELS)
ALERT = {
    "status": "firing",
    "labels": LABELS,
    "annotations": {
        "summary": "An agent fails too often.",
        "description": "40% of the tasks of agent a <!channel> & b failed; the limit is 25%.",
        "runbook_url": "http://127.0.0.1:9464/runbook/StrettoAgentErrors",
        "dashboard_url": "http://127.0.0.1:9464/",
    },
    "startsAt": "2027-03-04T05:06:07.8+02:00",
    "endsAt": "2027-03-04T06:10:00+02:00",
    "generatorURL": "http://127.0.0.1:9090/graph",
    "fingerprint": "f00",
}


@pytest.fixture(params=["amtool", "newer"])
def amtool(request: pytest.FixtureRequest) -> str:
    """Give the installed amtool, and the one that STRETTO_NEWER_AMTOOL names."""
    if request.param == "amtool":
        return program("amtool")
    named = os.environ.get("STRETTO_NEWER_AMTOOL")
    if not named:
        pytest.skip("STRETTO_NEWER_AMTOOL names no amtool")
    version = run(named, "--version")
    assert version.returncode == 0, version.stderr
    return named


def rendered(amtool: str, folder: Path, name: str, kind: str = "text", *, resolved: bool = False) -> str:
    """What a template makes of a group of one alert."""
    alert = {**ALERT, "status": "resolved" if resolved else "firing"}
    group = {
        "receiver": "stretto-critical",
        "status": alert["status"],
        "alerts": [alert],
        "groupLabels": {"alertname": LABELS["alertname"]},
        "commonLabels": LABELS,
        "commonAnnotations": ALERT["annotations"],
        "externalURL": "http://127.0.0.1:9093",
    }
    (folder / "group.json").write_text(json.dumps(group), encoding="utf-8")
    return accepted(
        amtool, "template", "render", f"--template.glob={SHIPPED}/templates/*.tmpl",
        f"--template.data={folder / 'group.json'}", f"--template.type={kind}",
        f'--template.text={{{{ template "stretto.{name}" . }}}}',
    )  # fmt: skip


def test_the_example_is_taken(amtool: str, tmp_path: Path) -> None:
    """Merged into what ships, with its secrets there and the templates beside it, it is a configuration."""
    shutil.copytree(SHIPPED / "templates", tmp_path / "templates")
    shutil.copy(SHIPPED / "receivers.example.yml", tmp_path / "receivers.yml")
    (tmp_path / "secrets").mkdir()
    for name in ("slack-url", "smtp-password", "pagerduty-key", "webhook-token"):
        (tmp_path / "secrets" / name).write_text("https://example.org/secret", encoding="utf-8")
    found = read_receivers(tmp_path / "receivers.yml")
    check_receivers(found, lambda _: amtool)
    configuration = tmp_path / "alertmanager.yml"
    configuration.write_text(
        merge_receivers((SHIPPED / "alertmanager.yml").read_text(encoding="utf-8"), found), encoding="utf-8"
    )

    said = accepted(amtool, "check-config", configuration)

    assert "7 receivers" in said
    assert "1 templates" in said
    route = (amtool, "config", "routes", "test", "--config.file", configuration)
    assert accepted(*route, "--verify.receivers=stretto-escalation,stretto-critical", "severity=critical")


def test_a_misspelt_key_is_told_with_the_files_own_line(amtool: str, tmp_path: Path) -> None:
    """Keys within a way out are Alertmanager's business; its complaint names the key and where it stands."""
    (tmp_path / "receivers.yml").write_text(
        "receivers:\n  - name: stretto-info\n    webhook_configs:\n      - url: http://x/\n        urll: x\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError, match=r"line 5: field urll not found"):
        check_receivers(read_receivers(tmp_path / "receivers.yml"), lambda _: amtool)


def test_the_title_says_how_grave_it_is(amtool: str, tmp_path: Path) -> None:
    """Severity, or that it is over, and the summary."""
    assert rendered(amtool, tmp_path, "title") == "CRITICAL: An agent fails too often."
    assert rendered(amtool, tmp_path, "title", resolved=True) == "RESOLVED: An agent fails too often."


def test_slack_gets_the_value_and_the_links_and_no_markup_of_an_agents(amtool: str, tmp_path: Path) -> None:
    """What, its value, since when; links to runbook, figures and silence; a name cannot call the channel."""
    text = rendered(amtool, tmp_path, "slack")
    assert "40% of the tasks of agent a &lt;!channel&gt; &amp; b failed; the limit is 25%." in text
    assert "_since 2027-03-04 03:06 UTC_" in text
    assert "over since" not in text
    links = dict(reversed(link) for link in re.findall(r"<([^|>]+)\|([^>]+)>", text))
    assert links.pop("Silence") == SILENCE
    assert links == {
        "What to do": "http://127.0.0.1:9464/runbook/StrettoAgentErrors",
        "The figures": "http://127.0.0.1:9464/",
    }
    assert text.count("<") == 3


def test_plain_text_says_the_same(amtool: str, tmp_path: Path) -> None:
    """E-mail without markup has the same words and links; what is over says since when."""
    text = rendered(amtool, tmp_path, "text", resolved=True)
    for line in (
        "40% of the tasks of agent a <!channel> & b failed; the limit is 25%.",
        "since 2027-03-04 03:06 UTC, over since 2027-03-04 04:10 UTC",
        "What to do: http://127.0.0.1:9464/runbook/StrettoAgentErrors",
        "The figures: http://127.0.0.1:9464/",
        f"Silence: {SILENCE}",
    ):
        assert line in text.splitlines()


def test_mail_says_the_same_and_is_markup_of_ours_alone(amtool: str, tmp_path: Path) -> None:
    """Names are escaped; every link leads where the plain text's does."""
    text = rendered(amtool, tmp_path, "email", "html")
    assert "a &lt;!channel&gt; &amp; b failed; the limit is 25%." in text
    assert "since 2027-03-04 03:06 UTC" in text
    assert "CRITICAL: An agent fails too often." in text
    links = dict(reversed(link) for link in re.findall(r'<a href="([^"]+)">([^<]+)</a>', text))
    assert html.unescape(links["Silence"]).lower() == SILENCE.lower()
    assert links["What to do"] == "http://127.0.0.1:9464/runbook/StrettoAgentErrors"
    assert links["The figures"] == "http://127.0.0.1:9464/"
