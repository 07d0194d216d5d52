from __future__ import annotations

import pytest

from stretto.model.task_type import DEFAULT_TARGET, OTHER, TaskType, TaskTypes, normalise_name

TYPES = TaskTypes(
    (
        TaskType("test_plan", ("test plan",), target_improvement=0.5),
        TaskType("testing", ("test", "e2e")),
        TaskType("review", ("review", "code audit")),
        TaskType("empty", ()),
    )
)


@pytest.mark.parametrize(
    ("description", "wanted"),
    [
        ("write the test plan", "test_plan"),
        ("Test Plans for the API", "test_plan"),
        ("test-plan", "test_plan"),
        ("test_plan", "test_plan"),
        ("test   plan", "test_plan"),
        ("run tests", "testing"),
        ("E2E", "testing"),
        ("latest news", OTHER),
        ("contest", OTHER),
        ("code audits", "review"),
        ("audit", OTHER),
        ("plugin:code-reviews", "review"),
        ("", OTHER),
    ],
)
def test_keywords_are_whole_words(description: str, wanted: str) -> None:
    """Case, plurals, hyphens and underscores do not matter; parts of words do not count."""
    assert TYPES.classify(description, None, None) == wanted


def test_the_description_is_tried_before_the_agent_and_the_agent_before_the_command() -> None:
    """The first text with a keyword decides, by the order of the types."""
    assert TYPES.classify("review", "tester test", "test plan") == "review"
    assert TYPES.classify("something", "test-runner", "review") == "testing"
    assert TYPES.classify(None, None, "review") == "review"
    assert TYPES.classify(None, None, None) == OTHER
    assert TYPES.classify("review the test", None, None) == "testing"


def test_targets_are_those_configured_or_the_default() -> None:
    """A type with a target, a type without, and an unknown type."""
    assert TYPES.find_target("test_plan") == 0.5
    assert TYPES.find_target("testing") == DEFAULT_TARGET
    assert TYPES.find_target("nobody knows") == DEFAULT_TARGET
    assert TYPES.by_name["review"].keywords == ("review", "code audit")


def test_sets_of_types_do_not_share_results() -> None:
    """Two sets of types classify the same text independently."""
    assert TaskTypes((TaskType("mine", ("review",)),)).classify("review", None, None) == "mine"
    assert TYPES.classify("review", None, None) == "review"
    assert TaskTypes() == TaskTypes()


def test_a_name_becomes_a_label_value() -> None:
    """Lower case, with an underscore for each run of other characters than letters and digits."""
    assert normalise_name("Code Review, deep!") == "code_review_deep"
    assert normalise_name("…") == ""
