"""Compute quantiles from counts in exponential buckets, as in DDSketch (Masson, Rim, Lee, VLDB 2019).

A sketch is a count per bucket. Sketches are merged by addition, and a changed value is removed by
subtraction. Any quantile above FLOOR is within RELATIVE_ERROR of the true value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, log
from typing import TypeVar

T = TypeVar("T")

RELATIVE_ERROR = 0.02
_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA = log(_GAMMA)
FLOOR = 1_000
"""Nanoseconds up to which all lengths are in bucket 0: the clocks cannot resolve them."""


def find_bucket(length: int) -> int:
    """Return the bucket of a length in nanoseconds."""
    return 0 if length <= FLOOR else ceil(log(length / FLOOR) / _LOG_GAMMA)


def get_bucket_value(index: int) -> float:
    """Return the representative length of a bucket in nanoseconds."""
    return FLOOR * 2 * _GAMMA**index / (_GAMMA + 1)


def find_one_based_rank(count: int, q: float) -> int:
    """Return the rank, from 1, of the q-quantile of so many values: the one definition of a quantile.

    Example: of 20 values p95 is the 19th, of 21 the 20th; of two values p50 is the smaller.
    """
    # The tolerance corrects binary fractions: 0.07 × 100 is 7.000000000000001.
    return max(1, ceil(q * count - 1e-9))


def pick_quantile(values: Sequence[T], q: float) -> T | None:
    """Return the q-quantile of sorted values: the least value that a share q of them does not exceed."""
    return values[find_one_based_rank(len(values), q) - 1] if values else None


def compute_quantile(counts: Mapping[int, int], q: float) -> float | None:
    """Return the q-quantile in ns: the least value that a share q of all values does not exceed.

    None without values. The median of an even number of values is the lower middle value; of two values,
    p95 is the larger.
    """
    total = sum(counts.values())
    if total <= 0:
        return None
    rank = find_one_based_rank(total, q)
    cumulated = 0
    for index in sorted(counts):
        cumulated += counts[index]
        if cumulated >= rank:
            return get_bucket_value(index)
    return get_bucket_value(max(counts))
