"""Quantiles from counts in buckets that grow by a fixed factor, as in DDSketch (Masson, Rim, Lee, VLDB 2019).

A sketch is nothing but counts by bucket, so sketches merge by adding and a value that changed is taken out
again by subtracting. Any quantile above FLOOR is within RELATIVE_ERROR of the true value.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, log

RELATIVE_ERROR = 0.02
_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA = log(_GAMMA)
FLOOR = 1_000
"""Nanoseconds at and below which lengths share bucket 0: no clock here tells them apart."""


def find_bucket(length: int) -> int:
    """Return the bucket of a length in nanoseconds."""
    return 0 if length <= FLOOR else ceil(log(length / FLOOR) / _LOG_GAMMA)


def get_bucket_value(index: int) -> float:
    """Return the length in nanoseconds that stands for a bucket."""
    return FLOOR * 2 * _GAMMA**index / (_GAMMA + 1)


def compute_quantile(counts: Mapping[int, int], q: float) -> float | None:
    """Return the q-quantile in ns: the least value that q of all do not exceed; None without values.

    That is the lower one in the middle for the median of an even number, and never less than what the name
    says for a few: of two values p95 is the larger.
    """
    total = sum(counts.values())
    if total <= 0:
        return None
    # Less a little: 0.07 × 100 is 7.000000000000001 in binary.
    rank = max(1, ceil(q * total - 1e-9))
    seen = 0
    for index in sorted(counts):
        seen += counts[index]
        if seen >= rank:
            return get_bucket_value(index)
    return get_bucket_value(max(counts))
