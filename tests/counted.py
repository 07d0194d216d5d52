"""Write tests/counted.json: digests of the sums that scenes add to a store, with the version of the sums.

Run it by ``make counted`` after the version in store/contributions/registry.py was raised, or a contribution
was added there: both make stores anew. It lists new measures in tests/contract/shipped_dimensions.json too.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stretto.names.measures import MEASURES
from stretto.store.contributions.registry import get_sums_version
from tests.fakes import store
from tests.scenes import (
    Drawing,
    conflict,
    delivery,
    fork_join,
    idle_tail,
    nested,
    one_by_one,
    orchestrated,
    paid,
    repaired,
    retried,
    sampled,
    spender,
    straggler,
    wasteful,
)

COUNTED = Path(__file__).parent / "counted.json"
"""The digests as of the version that it names."""

SHIPPED = Path(__file__).parent / "contract" / "shipped_dimensions.json"
"""Measure → its dimensions, of all measures that machines may have shipped to a hub."""

SCENES: tuple[Callable[[], Drawing], ...] = (
    conflict,
    delivery,
    fork_join,
    idle_tail,
    nested,
    one_by_one,
    orchestrated,
    paid,
    repaired,
    retried,
    sampled,
    spender,
    straggler,
    wasteful,
)


def count_scenes(folder: Path) -> dict[str, Any]:
    """Return the text of the sums' version and a digest of each scene's sums; the folder takes the stores."""
    digests = {}
    for scene in SCENES:
        with store(folder / scene.__name__) as opened:
            opened.take(scene().events)
            rows = opened.rows()["rollup"]
        assert rows
        digests[scene.__name__] = sha256(json.dumps(rows).encode()).hexdigest()[:16]
    return {"counting": get_sums_version(), "scenes": digests}


def main() -> int:
    """Write the file; refuse if digests changed and the version did not."""
    before = json.loads(COUNTED.read_text(encoding="utf-8"))
    with TemporaryDirectory() as folder:
        after = count_scenes(Path(folder))
    kept = before["scenes"].keys() & after["scenes"].keys()
    changed = sorted(name for name in kept if before["scenes"][name] != after["scenes"][name])
    if changed and before["counting"] == after["counting"]:
        print(f"the sums of {', '.join(changed)} changed")
        print("raise SUMS_VERSION in store/contributions/registry.py first")
        return 1
    shipped = read_shipped_dimensions()
    if faults := list_changed_dimensions(shipped):
        print("\n".join(faults))
        return 1
    lines = [f"  {json.dumps(name)}: {json.dumps(shipped[name])}" for name in sorted(shipped)]
    SHIPPED.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    COUNTED.write_text(json.dumps(after, indent=2) + "\n", encoding="utf-8")
    return 0


def read_shipped_dimensions() -> dict[str, list[str]]:
    """Return the dimensions of each measure by the file, and those of new measures."""
    now = {name: [*measure.dimensions] for name, measure in MEASURES.items()}
    return now | (json.loads(SHIPPED.read_text(encoding="utf-8")) if SHIPPED.exists() else {})


def list_changed_dimensions(shipped: dict[str, list[str]]) -> list[str]:
    """Return a line for each measure that has other dimensions than it was shipped with."""
    return [
        f"{name} was shipped by {', '.join(shipped[name])}: measures of other dimensions need another name"
        for name, measure in MEASURES.items()
        if [*measure.dimensions] != shipped.get(name)
    ]


if __name__ == "__main__":
    sys.exit(main())
