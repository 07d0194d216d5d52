from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.errors import ConfigError
from stretto.figures.scores.score_rules import WEIGHTS, ScoreRules, build_rules_document, parse_score_rules
from stretto.model.score_scales import Scale


def rules(text: str) -> ScoreRules:
    """Return the rules that a file's text gives."""
    return parse_score_rules(tomllib.loads(text).get("scores", {}), "config.toml")


def test_without_tables_the_rules_are_those_out_of_the_box() -> None:
    """The weights of the documentation, and the scales it names."""
    found = rules("")
    assert found == ScoreRules()
    assert [found.get_weight("efficiency", part) for part in WEIGHTS["efficiency"]] == [
        0.30,
        0.30,
        0.25,
        0.15,
    ]
    assert found.scales.find_scale("satisfaction") == Scale("satisfaction", 0, 5)
    assert found.scales.find_scale("security_findings") == Scale("security_findings", 0, None)


def test_a_table_changes_only_what_it_gives() -> None:
    """A changed weight, number and scale, and a new scale; all else is the default."""
    found = rules(
        "[scores]\ncohort = 3\n[scores.weights.agent]\nquality = 0.5\n"
        "[scores.quality]\nscale = [1, 5]\n[scores.'Time to merge']\nscale = [0, inf]\n"
    )
    assert (found.cohort, found.min_parts) == (3, 2)
    assert found.get_weight("agent", "quality") == pytest.approx(0.5 / 1.25)
    assert found.weights["collaboration"] == WEIGHTS["collaboration"]
    assert found.scales.find_scale("quality") == Scale("quality", 1, 5)
    assert found.scales.find_scale("time_to_merge") == Scale("time_to_merge", 0, None)
    assert found.scales.find_scale("depth") == Scale("depth", 0, 10)


@given(st.dictionaries(st.sampled_from(sorted(WEIGHTS["agent"])), st.floats(0.01, 1e6)))
def test_weights_sum_to_one(changed: dict[str, float]) -> None:
    """Whatever is configured: those of a score are shares of their sum."""
    found = parse_score_rules({"weights": {"agent": changed}}, "")
    for score, parts in found.weights.items():
        assert sum(found.get_weight(score, part) for part in parts) == pytest.approx(1)


def test_the_document_has_every_rule() -> None:
    """Weights are shares; scales have their ends, an endless scale has none."""
    told = build_rules_document(ScoreRules())
    assert told["weights"]["collaboration"] == pytest.approx({"balance": 0, "response": 0.5, "success": 0.5})
    assert told["scales"]["security_findings"] == [0, None]
    assert told["cohort"] == 5


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("scores = 5", "scores must be a table"),
        ("[scores]\ncohorts = 5", "did you mean 'cohort'"),
        ("[scores]\ncohort = 0", "scores.cohort must be a whole number from 1 to"),
        ("[scores]\ncohort = 2.5", "scores.cohort must be a whole number"),
        ("[scores]\ncohort = true", "it is True"),
        ("[scores]\nmin_coverage = 1.1", "scores.min_coverage must be a number from 0 to 1"),
        ("[scores]\nmin_coverage = nan", "scores.min_coverage must be a number"),
        ("[scores]\nanswer_seconds = '5'", "it is '5'"),
        ("[scores]\ncpu_low = 0.9", "scores.cpu_low and scores.cpu_high cannot be used"),
        ("[scores]\ncpu_high = 1.0", "scores.cpu_low and scores.cpu_high cannot be used"),
        ("[scores]\nweights = 5", "scores.weights must be a table"),
        ("[scores.weights]\nefficient = {}", "did you mean 'efficiency'"),
        ("[scores.weights]\nagent = 5", "scores.weights.agent must be a table"),
        ("[scores.weights.agent]\nqualty = 1", "did you mean 'quality'"),
        ("[scores.weights.agent]\nquality = -1", "scores.weights.agent.quality must be a number from 0"),
        ("[scores.weights.agent]\nquality = inf", "scores.weights.agent.quality must be a number"),
        (
            "[scores.weights.collaboration]\nbalance = 0\nresponse = 0\nsuccess = 0",
            "scores.weights.collaboration has no part with a weight",
        ),
        ("[scores.quality]\nscales = [0, 10]", "did you mean 'scale'"),
        ("[scores.quality]", "scores.quality.scale cannot be used"),
        ("[scores.quality]\nscale = [0]", "scores.quality.scale cannot be used"),
        ("[scores.quality]\nscale = [5, 5]", "scores.quality.scale cannot be used"),
        ("[scores.quality]\nscale = [0, true]", "scores.quality.scale cannot be used"),
        ("[scores.quality]\nscale = [-inf, 5]", "scores.quality.scale cannot be used"),
        ("[scores.quality]\nscale = [0, nan]", "scores.quality.scale cannot be used"),
        ("[scores.quality]\nscale = [0, 1e9]", "scores.quality.scale cannot be used"),
        ("[scores.'…']\nscale = [0, 5]", "scale cannot be used"),
    ],
)
def test_what_cannot_be_used_is_named(text: str, told: str) -> None:
    """The error names the key, the file, and a correct value."""
    with pytest.raises(ConfigError) as error:
        rules(text)
    assert told in f"{error.value} {error.value.hint}"
    assert error.value.where == "config.toml"
