"""What Grafana does to a query before it asks it."""

from __future__ import annotations

import re

BUILT_IN = {"__rate_interval": "1m", "__range": "1h", "__interval": "1m"}
"""Grafana's own variables; four scrapes at the shipped interval make the least rate interval."""


def substituted(expr: str, **chosen: str) -> str:
    """Return a query with its variables filled in: what is chosen, else the usual window and all else.

    Without a choice a service is any, because the tests have a single one of each job.
    """
    values = {**BUILT_IN, "window": "24h", **chosen}
    for name in ("job", "instance"):
        if name not in chosen:
            expr = re.sub(rf'{name}="\${name}",?', "", expr)
    return re.sub(r"\$\{?(\w+)\}?", lambda found: values.get(found[1], ".*"), expr)
