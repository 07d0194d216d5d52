"""Edits of a single member of a JSON object in its text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.hook.install.json_edit import drop_member, set_member

HOOKS = {"Stop": [{"hooks": [{"type": "command"}]}]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", '{\n  "hooks": {\n    "a": 1\n  }\n}'),
        ("{}\n", '{\n  "hooks": {\n    "a": 1\n  }\n}\n'),
        ('{\n  "model": "x"\n}\n', '{\n  "model": "x",\n  "hooks": {\n    "a": 1\n  }\n}\n'),
        ('{\n\t"model": "x"\n}', '{\n\t"model": "x",\n\t"hooks": {\n\t\t"a": 1\n\t}\n}'),
        ('{\r\n    "b": []\r\n}', '{\r\n    "b": [],\r\n    "hooks": {\r\n        "a": 1\r\n    }\r\n}'),
        ('{"b":1,"c":2}', '{"b":1,"c":2,"hooks":{"a":1}}'),
        ('{"b": 1, "c": 2}', '{"b": 1, "c": 2, "hooks": {"a": 1}}'),
        ('{"hooks": {}, "c": 2}', '{"hooks": {"a": 1}, "c": 2}'),
        (
            '{\n  "hooks": {},\n  "list": ["a", "b"]\n}',
            '{\n  "hooks": {\n    "a": 1\n  },\n  "list": ["a", "b"]\n}',
        ),
    ],
)
def test_a_member_is_set_in_the_texts_own_layout(text: str, expected: str) -> None:
    """Indentation, line ends, spacing and everything else around the member are the file's."""
    assert set_member(text, "hooks", {"a": 1}) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1, "hooks": {}, "b": 2}', '{"a": 1, "b": 2}'),
        ('{"a": 1, "hooks": {}}', '{"a": 1}'),
        ('{"hooks": {}, "b": 2}', '{"b": 2}'),
        ('{\n  "hooks": {}\n}\n', "{}\n"),
        ('{"a": {"hooks": 1}}', '{"a": {"hooks": 1}}'),
        ("{ }", "{ }"),
    ],
)
def test_a_member_is_dropped_with_its_comma(text: str, expected: str) -> None:
    """The member is removed completely, and no other text is removed."""
    assert drop_member(text, "hooks") == expected


def test_text_outside_ascii_stays_readable() -> None:
    """Letters are written as the file writes them: as such, or escaped."""
    assert set_member('{"a": "é"}', "b", "ü") == '{"a": "é", "b": "ü"}'
    assert set_member('{"a": "e"}', "b", "ü") == '{"a": "e", "b": "\\u00fc"}'


def test_of_several_members_the_last_counts() -> None:
    """JSON readers use the last of several members with a name; so do set and drop."""
    assert set_member('{"a": 1, "a": 2}', "a", 3) == '{"a": 1, "a": 3}'
    assert drop_member('{"a": 1, "a": 2}', "a") == '{"a": 1}'


keys = st.text(alphabet='ab"\\{},: é', max_size=4).filter(lambda key: key != "hooks")
leaves = st.none() | st.booleans() | st.integers() | keys
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3)
)
layouts: list[dict[str, Any]] = [
    {"indent": 2},
    {"indent": 4, "ensure_ascii": False},
    {"indent": "\t"},
    {},
    {"separators": (",", ":")},
]


@given(st.dictionaries(keys, values, max_size=4), st.sampled_from(layouts), st.booleans())
def test_set_then_drop_gives_the_text_back(value: dict[str, Any], layout: dict[str, Any], end: bool) -> None:
    """For any object in any layout: the member is there, the rest is unchanged, and dropping it undoes it."""
    text = json.dumps(value, **layout) + ("\n" if end else "")
    changed = set_member(text, "hooks", HOOKS)
    assert json.loads(changed) == {**value, "hooks": HOOKS}
    assert list(json.loads(changed)) == [*value, "hooks"]
    assert drop_member(changed, "hooks") == text
