"""Hide the names in a row of the store: each column of text is shipped by a rule of its own, or not at all.

A column of text without a rule is left out, so that a new column reveals nothing until somebody decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from stretto.fleet.hidden_names import NameHider
from stretto.journal.pruned_session_records import KeptRow
from stretto.names import fact_fields
from stretto.names.measures import Dimension

_VERSION = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,6}){1,3}").fullmatch

_SHOWN_CIRCUMSTANCES: Mapping[str, Callable[[str], object]] = {
    fact_fields.CLIENT_VERSION: _VERSION,
    fact_fields.EFFORT: frozenset({"low", "medium", "high", "max", "minimal", "xhigh"}).__contains__,
    fact_fields.PERMISSION_MODE: frozenset(
        {"default", "plan", "acceptEdits", "bypassPermissions", "dontAsk", "auto"}
    ).__contains__,
}
"""Circumstance → whether a value of it is public."""

MOST_DECIMALS = 6
"""Decimals of shipped numbers: a millionth of a dollar."""

DECIMALS = {"concurrency": 2}
"""Column → fewer decimals, where more mean nothing."""

_encode = msgspec.json.Encoder(order="deterministic").encode

TextRule = Callable[[NameHider, str], str | None]
"""Returns the text that is shipped; None if the column is left out."""


def hide_row_names(row: Mapping[str, Any], hider: NameHider) -> KeptRow:
    """Return a row with hidden names, without empty columns and texts that no rule knows."""
    shipped: dict[str, str | int | float | None] = {}
    for column, value in row.items():
        if isinstance(value, str):
            rule = TEXT_RULES.get(column)
            value = None if rule is None else rule(hider, value)  # noqa: PLW2901  # the shipped value
        elif isinstance(value, float):
            value = round(value, DECIMALS.get(column, MOST_DECIMALS))  # noqa: PLW2901  # likewise
        if value is not None:
            shipped[column] = value
    return shipped


def _keep(_: NameHider, text: str) -> str:
    return text


def _make_name_rule(dimension: Dimension) -> TextRule:
    return lambda hider, text: hider.hide_name(dimension, text)


def _make_text_rule(kind: str) -> TextRule:
    return lambda hider, text: hider.hide_text(kind, text)


def _make_key_rule(dimension: Dimension) -> TextRule:
    """Return the rule of a map by name: equal hidden names are added up."""

    def hide_keys(hider: NameHider, text: str) -> str:
        amounts: dict[str, int | float] = {}
        for name, amount in _decode_amounts(text).items():
            hidden = hider.hide_name(dimension, name)
            amounts[hidden] = amounts.get(hidden, 0) + amount
        return _encode(amounts).decode()

    return hide_keys


def _hide_lengths(hider: NameHider, text: str) -> str:
    lengths: dict[str, list[int]] = {}
    for task_type, values in _decode_lengths(text).items():
        lengths.setdefault(hider.hide_name(Dimension.TASK_TYPE, task_type), []).extend(values)
    return _encode({name: sorted(values) for name, values in lengths.items()}).decode()


def _hide_workers(hider: NameHider, text: str) -> str:
    hidden = (
        (hider.hide_name(Dimension.AGENT, agent), hider.hide_name(Dimension.TASK_TYPE, task_type))
        for agent, task_type in _decode_workers(text)
    )
    return _encode(sorted(hidden)).decode()


def _hide_score_sums(hider: NameHider, text: str) -> str:
    sums = {}
    for name, amount in _decode_amounts(text).items():
        criterion, mark, part = name.rpartition(":")
        sums[hider.hide_name(Dimension.SCORE, criterion) + mark + part] = amount
    return _encode(sums).decode()


def _select_labels(hider: NameHider, text: str) -> str | None:
    labels = {key: value for key, value in _decode_texts(text).items() if key in hider.rules.shown_labels}
    return _encode(labels).decode() if labels else None


def _hide_circumstances(hider: NameHider, text: str) -> str:
    shipped = {}
    for name, value in _decode_texts(text).items():
        is_public = _SHOWN_CIRCUMSTANCES.get(name)
        shipped[name] = value if is_public and is_public(value) else hider.hide_text(name, value)
    return _encode(shipped).decode()


_decode_amounts = msgspec.json.Decoder(dict[str, int | float]).decode
_decode_texts = msgspec.json.Decoder(dict[str, str]).decode
_decode_lengths = msgspec.json.Decoder(dict[str, list[int]]).decode
_decode_workers = msgspec.json.Decoder(list[tuple[str, str]]).decode

TEXT_RULES: Mapping[str, TextRule] = {
    "outcome": _keep,
    # The number of the task, not its id.
    "task": _keep,
    "wall_parts": _keep,
    "source": _make_name_rule(Dimension.SOURCE),
    "pattern": _make_name_rule(Dimension.PATTERN),
    "signature": _make_name_rule(Dimension.SIGNATURE),
    "type": _make_name_rule(Dimension.TASK_TYPE),
    "agent": _make_name_rule(Dimension.AGENT),
    "phase": _make_name_rule(Dimension.PHASE),
    "model": _make_name_rule(Dimension.MODEL),
    "project": lambda hider, text: hider.hide_project(text),
    "repository": _make_text_rule("repository"),
    "worktree": _make_text_rule("worktree"),
    "lengths": _hide_lengths,
    "workers": _hide_workers,
    "labels": _select_labels,
    "task_types": _make_key_rule(Dimension.TASK_TYPE),
    "path_by_agent": _make_key_rule(Dimension.AGENT),
    "score_sums": _hide_score_sums,
    "covariates": _hide_circumstances,
}
"""Column → the rule of its text."""
