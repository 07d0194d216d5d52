from __future__ import annotations

import pytest

from stretto.model.task_type import DEFAULT_TARGET, OTHER, TaskType, TaskTypes, to_label_value

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
    assert TYPES.classify(description, None) == wanted


def test_the_description_is_tried_before_the_agent() -> None:
    """The first text with a keyword decides, by the order of the types; without a keyword it is other."""
    assert TYPES.classify("review", "tester test") == "review"
    assert TYPES.classify("something", "test-runner") == "testing"
    assert TYPES.classify(None, None) == OTHER
    assert TYPES.classify("review the test", None) == "testing"


def test_targets_are_those_configured_or_the_default() -> None:
    """A type with a target, a type without, and an unknown type."""
    assert TYPES.find_target("test_plan") == 0.5
    assert TYPES.find_target("testing") == DEFAULT_TARGET
    assert TYPES.find_target("nobody knows") == DEFAULT_TARGET
    assert TYPES.by_name["review"].keywords == ("review", "code audit")


def test_target_hours_are_a_target() -> None:
    """Hours in parallel over hours one after another give the target; a ratio given beside them precedes."""
    assert TaskType("a", sequential_hours=6, parallel_target_hours=1.5, keywords=()).target == 0.75
    assert TaskType("a", (), 6, 1.5, target_improvement=0.7).target == 0.7
    assert TaskType("a", (), sequential_hours=6).configured_target is None
    assert TaskType("a", (), parallel_target_hours=6).target == DEFAULT_TARGET


def test_sets_of_types_do_not_share_results() -> None:
    """Two sets of types classify the same text independently."""
    assert TaskTypes((TaskType("mine", ("review",)),)).classify("review", None) == "mine"
    assert TYPES.classify("review", None) == "review"
    assert TaskTypes() == TaskTypes()


def test_a_name_becomes_a_label_value() -> None:
    """Lower case, with an underscore for each run of other characters than letters and digits."""
    assert to_label_value("Code Review, deep!") == "code_review_deep"
    assert to_label_value("…") == ""
