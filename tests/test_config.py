from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stretto.config.configuration import Config
from stretto.config.loading import load_config
from stretto.config.settings_table import DEFAULT_INTERVAL_SECONDS, DEFAULT_LISTEN
from stretto.errors import ConfigError
from stretto.model.task_type import DEFAULT_TARGET
from stretto.state.find_folder import find_state_folder


def written(tmp_path: Path, text: str) -> Path:
    """Write the configuration file of a state folder and return the folder."""
    state = tmp_path / "state"
    state.mkdir(exist_ok=True)
    (state / "config.toml").write_text(text, encoding="utf-8")
    return state


def loaded(tmp_path: Path, text: str = "", **rest: Any) -> Config:
    """Load the configuration of a state folder with that file."""
    state = written(tmp_path, text)
    return load_config(rest.pop("environ", {}), tmp_path, state=str(state), **rest)


def origins(config: Config) -> dict[str, tuple[object, str]]:
    """Return each setting's value and origin."""
    return {setting.name: (setting.value, setting.origin) for setting in config.settings}


def test_without_anything_the_defaults_hold(tmp_path: Path) -> None:
    """In an empty home every setting has its default, with that origin."""
    config = load_config({}, tmp_path)
    assert config.state == tmp_path / ".local" / "state" / "stretto"
    assert (config.host, config.port, config.loopback, config.token) == ("127.0.0.1", 9464, True, None)
    assert config.address == DEFAULT_LISTEN
    assert config.url == f"http://{DEFAULT_LISTEN}"
    assert (config.journal, config.database) == (config.state / "journal", config.state / "stretto.db")
    assert {origin for _, origin in origins(config).values()} == {"default"}
    assert config.hours == {}
    assert not config.state.exists()


def test_the_state_folder_is_chosen_in_one_order(tmp_path: Path) -> None:
    """The order is flag, STRETTO_STATE, XDG_STATE_HOME, home; empty variables are ignored."""
    everything = {"STRETTO_STATE": "/one", "XDG_STATE_HOME": "/two"}
    assert find_state_folder(everything, tmp_path, "/flag") == (Path("/flag"), "--state")
    assert find_state_folder(everything, tmp_path) == (Path("/one"), "STRETTO_STATE")
    assert find_state_folder({"XDG_STATE_HOME": "/two"}, tmp_path) == (Path("/two/stretto"), "XDG_STATE_HOME")
    default = tmp_path / ".local/state/stretto", "default"
    assert find_state_folder({"STRETTO_STATE": "", "XDG_STATE_HOME": ""}, tmp_path) == default


def test_a_flag_beats_the_environment_and_that_the_file(tmp_path: Path) -> None:
    """Each value has its origin."""
    text = 'listen = "127.0.0.1:1"\nidle_minutes = 5\nseries_budget = 7\n'
    environ = {"STRETTO_LISTEN": "127.0.0.1:2", "STRETTO_IDLE_MINUTES": "6"}
    config = loaded(tmp_path, text, environ=environ, listen="127.0.0.1:3")
    effective = origins(config)
    assert effective["listen"] == ("127.0.0.1:3", "--listen")
    assert effective["idle_minutes"] == (6, "STRETTO_IDLE_MINUTES")
    assert effective["series_budget"] == (7, str(tmp_path / "state" / "config.toml"))
    assert (config.port, config.idle_minutes, config.series_budget) == (3, 6, 7)


def test_another_file_can_be_named(tmp_path: Path) -> None:
    """The file that STRETTO_CONFIG names must exist; an empty variable is ignored."""
    path = tmp_path / "mine.toml"
    path.write_text("idle_minutes = 9", encoding="utf-8")
    assert loaded(tmp_path, environ={"STRETTO_CONFIG": str(path)}).idle_minutes == 9
    assert load_config({"STRETTO_CONFIG": ""}, tmp_path).idle_minutes == 240
    with pytest.raises(ConfigError, match="the configuration file is missing"):
        load_config({"STRETTO_CONFIG": str(tmp_path / "nowhere")}, tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("idle_minutes = ", "is not TOML"),
        ("idle_minute = 5", "did you mean 'idle_minutes'"),
        ("zzzz = 5", "known: listen"),
        ('idle_minutes = "five"', "idle_minutes must be a whole number"),
        ("idle_minutes = true", "idle_minutes must be a whole number"),
        ("idle_minutes = 1.5", "idle_minutes must be a whole number"),
        ("idle_minutes = 0", "idle_minutes must be from 1 to 525600"),
        ("idle_minutes = 99999999999999999999999", "idle_minutes must be from 1 to"),
        ("prometheus_port = 65536", "prometheus_port must be from 1 to 65535"),
        ("listen = 9464", "listen must be a text"),
        ('listen = "9464"', "listen must be HOST:PORT"),
        ('listen = "127.0.0.1:"', "listen must be HOST:PORT"),
        ('listen = "127.0.0.1:0"', "listen must be HOST:PORT"),
        ('listen = "127.0.0.1:65536"', "listen must be HOST:PORT"),
        ('listen = "127.0.0.1:²"', "listen must be HOST:PORT"),
        ('listen = "0.0.0.0:9464"', "listening on 0.0.0.0 needs a token"),
        ('preset = "app"', "did you mean 'ap'"),
        ("resources = 5", "resources must be a table"),
        ("[resources]\ninterval = 5", "did you mean 'interval_seconds'"),
        ("[resources]\ninterval_seconds = -1", "resources.interval_seconds must be from 0 to 3600"),
        ("[resources]\ninterval_seconds = 3601", "resources.interval_seconds must be from 0 to 3600"),
        ("[reports]\npart = 'kpis'", "did you mean 'parts'"),
        ("[reports]\nparts = 'kpis, costs'", "names an unknown part of a report"),
        ("[reports]\nparts = 'kpis, costs'", "did you mean cost? the parts are kpis, work,"),
        ("[reports]\nparts = ['kpis']", "reports.parts must be a text"),
        ("stuck_minutes = 0", "stuck_minutes must be from 1 to"),
        ("task_types = 5", "task_types must be a table"),
        ("task_types.review = 5", "task_types.review must be a table"),
        ("[task_types.review]\nkeyword = []", "did you mean 'keywords'"),
        ("[task_types.review]\nkeywords = 'x'", "task_types.review.keywords cannot be used"),
        ("[task_types.review]\nkeywords = ['']", "task_types.review.keywords cannot be used"),
        ("[task_types.review]\nkeywords = [5]", "task_types.review.keywords cannot be used"),
        ("[task_types.review]\nsequential_hours = 0", "sequential_hours cannot be used"),
        ("[task_types.review]\nsequential_hours = nan", "sequential_hours cannot be used"),
        ("[task_types.review]\nsequential_hours = inf", "sequential_hours cannot be used"),
        ("[task_types.review]\nsequential_hours = true", "sequential_hours cannot be used"),
        ("[task_types.review]\ntarget_improvement = 1.1", "target_improvement cannot be used"),
        ("[task_types.'…']\nkeywords = ['x']", "needs a letter or a digit"),
        ("prices = 5", "prices must be a table"),
        ("prices.opus = 5", "prices.opus must be a table"),
        ("[prices.opus]\ninputs = 5", "did you mean 'input'"),
        ("[prices.opus]\ninput = -1", "prices.opus.input cannot be used"),
        ("[prices.opus]\ninput = nan", "prices.opus.input cannot be used"),
        ("[prices.opus]\ninput = true", "prices.opus.input cannot be used"),
        ("[prices.opus]\ninput = '3'", "prices.opus.input cannot be used"),
        ("score = 5", "did you mean 'scores'"),
        ("scores = 5", "scores must be a table"),
        ("[scores.weights.agent]\nqualty = 1", "did you mean 'quality'"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, text: str, message: str) -> None:
    """The error names the fault, its place and the correct form."""
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, text)
    assert message in f"{error.value} {error.value.hint}"


@pytest.mark.parametrize("value", ["five", "²", "-1", "9" * 5_000])
def test_a_variable_that_cannot_be_used_is_named(tmp_path: Path, value: str) -> None:
    """An invalid number in the environment gives an error that names the setting."""
    with pytest.raises(ConfigError, match="idle_minutes must be"):
        load_config({"STRETTO_IDLE_MINUTES": value}, tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A folder or bytes that are not text give an error."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config({"STRETTO_CONFIG": str(tmp_path / "folder")}, tmp_path)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not TOML"):
        load_config({"STRETTO_CONFIG": str(tmp_path / "bytes")}, tmp_path)


def test_listening_to_everyone_takes_a_token(tmp_path: Path) -> None:
    """A token allows it; the token itself is never shown."""
    environ = {"STRETTO_LISTEN": "0.0.0.0:9464", "STRETTO_TOKEN": "long random text"}
    config = load_config(environ, tmp_path)
    assert (config.host, config.loopback, config.token) == ("0.0.0.0", False, "long random text")
    assert origins(config)["token"] == ("set", "STRETTO_TOKEN")
    assert "long random" not in str(config.settings)


def test_the_token_may_stand_in_a_file(tmp_path: Path) -> None:
    """A token file is read without its final newline, and its content is never shown."""
    (tmp_path / "secret").write_text("long random text\n", encoding="utf-8")
    environ = {"STRETTO_LISTEN": "0.0.0.0:9464", "STRETTO_TOKEN_FILE": str(tmp_path / "secret")}
    config = load_config(environ, tmp_path)
    assert config.token == "long random text"
    assert origins(config)["token_file"] == (str(tmp_path / "secret"), "STRETTO_TOKEN_FILE")
    assert "long random" not in str(config.settings)


def test_a_token_file_that_gives_no_token_is_an_error(tmp_path: Path) -> None:
    """A token file that is missing, empty or beside another token is an error."""
    named = {"STRETTO_TOKEN_FILE": str(tmp_path / "secret")}
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(named, tmp_path)
    (tmp_path / "secret").write_text(" \n", encoding="utf-8")
    with pytest.raises(ConfigError, match="is empty"):
        load_config(named, tmp_path)
    with pytest.raises(ConfigError, match="both set"):
        load_config({**named, "STRETTO_TOKEN": "another"}, tmp_path)


def test_a_short_token_is_refused(tmp_path: Path) -> None:
    """Fewer than sixteen characters can be guessed; the error names the place and never the token."""
    (tmp_path / "secret").write_text("fifteen-letters\n", encoding="utf-8")
    for environ in (
        {"STRETTO_TOKEN": "fifteen-letters"},
        {"STRETTO_TOKEN_FILE": str(tmp_path / "secret")},
        {"STRETTO_TOKEN": "x", "STRETTO_LISTEN": "0.0.0.0:9464"},
    ):
        with pytest.raises(ConfigError, match="fewer than 16 characters") as caught:
            load_config(environ, tmp_path)
        assert caught.value.where
        assert "fifteen" not in caught.value.to_line()
    assert load_config({"STRETTO_TOKEN": "sixteen-letters!"}, tmp_path).token == "sixteen-letters!"


@pytest.mark.parametrize(
    ("listen", "host", "address"),
    [
        ("[::1]:80", "::1", "[::1]:80"),
        ("localhost:8080", "localhost", "localhost:8080"),
        ("127.0.0.1:1", "127.0.0.1", "127.0.0.1:1"),
    ],
)
def test_this_machine_has_several_names(tmp_path: Path, listen: str, host: str, address: str) -> None:
    """IPv6 is written in brackets in an address and without them as a host."""
    config = load_config({}, tmp_path, listen=listen)
    assert (config.host, config.address, config.loopback) == (host, address, True)


def test_the_built_in_types_know_common_work(tmp_path: Path) -> None:
    """Narrow types before wide ones, and no hours unless a table is chosen."""
    types = load_config({}, tmp_path).task_types
    for description, wanted in {
        "review the system architecture": "architecture",
        "frontend architecture review": "frontend_architecture",
        "test strategy for payments": "test_strategy",
        "testing strategy": "test_strategy",
        "validation of inputs": "quality_review",
        "validate the schema": "quality_review",
        "quality of the design": "quality_review",
        "quality review of the report": "quality_review",
        "story for cart": "user_stories",
        "write user stories": "user_stories",
        "the system's design": "planning",
        "review of the parser": "review",
        "history of the parser": "other",
        "prd draft": "prd",
        "write unit tests": "testing",
        "fix the login bug": "debugging",
        "implement login": "implementation",
        "something else": "other",
    }.items():
        assert types.classify(description, None) == wanted, description
    assert types.find_target("architecture") == DEFAULT_TARGET


def test_a_preset_brings_hours_and_targets(tmp_path: Path) -> None:
    """A preset adds to the built-in types, whose keywords stay."""
    config = load_config({"STRETTO_PRESET": "ap"}, tmp_path)
    assert config.hours["architecture"] == 6
    assert config.task_types.find_target("architecture") == 0.75
    assert config.task_types.classify("architecture", None) == "architecture"


def test_a_workflow_has_hours_by_its_pattern(tmp_path: Path) -> None:
    """The pattern's name is taken as it is; hours are no part of what stored figures use."""
    config = loaded(tmp_path, "[workflows.'quarterly report']\nsequential_hours = 16\n")
    assert config.workflows == {"quarterly report": 16}
    assert config.fingerprint == load_config({}, tmp_path / "other").fingerprint
    assert config.hours == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("workflows = 6", "workflows must be a table"),
        ("[workflows]\nrelease = 6", r"workflows\.release must be a table"),
        ("[workflows.' ']\nsequential_hours = 6", "needs the name of its pattern"),
        ("[workflows.release]\nsequential_hour = 6", r"workflows\.release\.sequential_hour. is not known"),
        ("[workflows.release]", "sequential_hours cannot be used"),
        ("[workflows.release]\nsequential_hours = 0", "sequential_hours cannot be used"),
        ("[workflows.release]\nsequential_hours = nan", "sequential_hours cannot be used"),
        ("[workflows.release]\nsequential_hours = true", "sequential_hours cannot be used"),
        ("[workflows.release]\nsequential_hours = 'six'", "sequential_hours cannot be used"),
    ],
)
def test_hours_of_a_workflow_that_cannot_be_used_are_refused(tmp_path: Path, text: str, message: str) -> None:
    """The error names the table and the file."""
    with pytest.raises(ConfigError, match=message) as refused:
        loaded(tmp_path, text)
    assert refused.value.where


def test_commands_that_run_tests_are_taken_as_they_are(tmp_path: Path) -> None:
    """They are no part of what stored figures use: what the journal holds is not read again."""
    config = loaded(tmp_path, "[tests]\ncommands = ['scripts/verify.sh', 'acme \"all tests\"']\n")
    assert config.test_commands == ("scripts/verify.sh", 'acme "all tests"')
    assert config.fingerprint == load_config({}, tmp_path / "other").fingerprint
    assert load_config({}, tmp_path / "other").test_commands == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tests = 6", "tests must be a table"),
        ("[tests]\ncommand = ['a']", r"tests\.command. is not known"),
        ("[tests]\ncommands = 'a'", "must be a list of at most 32 texts .*it is 'a'"),
        (f"[tests]\ncommands = {['a'] * 33}", "must be a list of at most 32 texts .*it has 33"),
        ("[tests]\ncommands = [6]", "cannot use 6 .*it is no text"),
        ("[tests]\ncommands = [' ']", "cannot use ' ' .*it must be a line"),
        (f"[tests]\ncommands = ['{'a' * 201}']", "it must be a line of at most 200"),
        ('[tests]\ncommands = ["a\\nb"]', "it must be a line"),
        ("[tests]\ncommands = ['cd app && acme test']", "it is more than a single command"),
        ("[tests]\ncommands = ['CI=1 acme test']", "it does not begin with a program"),
        ("[tests]\ncommands = ['-q']", "it does not begin with a program"),
        ("[tests]\ncommands = ['bash']", "bash starts other programs"),
        ("[tests]\ncommands = ['npx']", "npx starts other programs"),
    ],
)
def test_a_command_that_cannot_be_recognised_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """The error names the key, the fault and the file."""
    with pytest.raises(ConfigError, match=message) as refused:
        loaded(tmp_path, text)
    assert refused.value.where


def test_target_hours_below_none_are_refused(tmp_path: Path) -> None:
    """A target in parallel that is not shorter than one after another would be a target of nothing."""
    with pytest.raises(ConfigError, match="parallel_target_hours is no target"):
        loaded(tmp_path, "[task_types.a]\nsequential_hours = 1\nparallel_target_hours = 1\n")


def test_own_types_are_tried_first_and_change_only_what_they_give(tmp_path: Path) -> None:
    """A new type is matched first; a built-in type with a new target keeps its keywords."""
    text = (
        "[task_types.'Data Migration']\nkeywords = ['architecture']\nsequential_hours = 2\n"
        "[task_types.review]\ntarget_improvement = 0.3\n"
    )
    config = loaded(tmp_path, text)
    assert config.task_types.classify("architecture", None) == "data_migration"
    assert config.task_types.classify("review", None) == "review"
    assert config.task_types.find_target("review") == 0.3
    assert config.hours == {"data_migration": 2}


def test_two_spellings_of_one_type_are_one(tmp_path: Path) -> None:
    """Names are compared as label values."""
    text = "[task_types.'my type']\nkeywords = ['a']\n[task_types.my_type]\nsequential_hours = 1\n"
    types = loaded(tmp_path, text).task_types.types
    assert [task_type.name for task_type in types].count("my_type") == 1
    assert types[0].keywords == ("a",)


def test_the_fingerprint_changes_with_what_is_concluded(tmp_path: Path) -> None:
    """The fingerprint depends on keywords, idle limit and scales, not on hours, targets, weights or ports."""
    config = loaded(tmp_path)
    assert replace(config, port=1, series_budget=1).fingerprint == config.fingerprint
    assert replace(config, idle_minutes=1).fingerprint != config.fingerprint
    assert loaded(tmp_path, "[task_types.x]\nkeywords = ['x']").fingerprint != config.fingerprint
    assert load_config({"STRETTO_PRESET": "ap"}, tmp_path).fingerprint == config.fingerprint
    assert loaded(tmp_path, "[scores.quality]\nscale = [1, 5]").fingerprint != config.fingerprint
    assert loaded(tmp_path, "[scores]\ncohort = 9").fingerprint == config.fingerprint


def test_configured_prices_are_taken_and_change_the_rules(tmp_path: Path) -> None:
    """By model, in dollars a million tokens; costs are stored, so other prices ask for a rebuild."""
    before = load_config({}, tmp_path)
    assert before.prices.configured == {}
    path = tmp_path / "own.toml"
    path.write_text("[prices.'llama3:8b']\ninput = 0\noutput = 0.5\n")
    config = load_config({"STRETTO_CONFIG": str(path)}, tmp_path)
    assert config.prices.configured == {"llama3:8b": (0, 0.5, None, None, None)}
    assert config.fingerprint != before.fingerprint


def test_scores_are_made_by_the_rules_of_the_file(tmp_path: Path) -> None:
    """Scoring has the configured weights and the targets of the task types."""
    text = "[scores]\nmin_parts = 3\n[task_types.review]\ntarget_improvement = 0.3\n"
    scoring = loaded(tmp_path, text).scoring
    assert (scoring.rules.min_parts, scoring.rules.cohort) == (3, 5)
    assert (scoring.target("review"), scoring.target("testing")) == (0.3, DEFAULT_TARGET)


def test_a_setting_may_stand_in_a_table(tmp_path: Path) -> None:
    """A setting in a table is named table.key, and the environment overrides it."""
    text = "[resources]\ninterval_seconds = 0\n"
    config = loaded(tmp_path, text)
    assert config.resources_interval_seconds == 0
    assert origins(config)["resources.interval_seconds"] == (0, str(config.state / "config.toml"))
    environ = {"STRETTO_RESOURCES_INTERVAL_SECONDS": "30"}
    assert loaded(tmp_path, text, environ=environ).resources_interval_seconds == 30
    assert load_config({}, tmp_path).resources_interval_seconds == DEFAULT_INTERVAL_SECONDS


def test_links_lead_to_the_public_address(tmp_path: Path) -> None:
    """The public address is that of links, without a slash at its end, and its host is served too."""
    config = loaded(tmp_path, '[page]\npublic_url = "https://stretto.example.org:8443/team/"\n')

    assert config.link_url == "https://stretto.example.org:8443/team"
    assert config.url == f"http://{DEFAULT_LISTEN}"
    assert config.hosts == ("stretto.example.org",)
    assert load_config({}, tmp_path).link_url == f"http://{DEFAULT_LISTEN}"


@pytest.mark.parametrize("url", ["stretto.example.org", "ftp://x", "https://", "https://x/?a=b"])
def test_an_address_that_is_none_is_named(tmp_path: Path, url: str) -> None:
    """An address without scheme or host, or with a query, is refused with an example."""
    with pytest.raises(ConfigError, match=r"page\.public_url must be an address"):
        load_config({"STRETTO_PUBLIC_URL": url}, tmp_path)
