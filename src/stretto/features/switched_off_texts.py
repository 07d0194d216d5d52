"""Say which parts are switched off, in the words and the document that all surfaces share."""

from __future__ import annotations

from typing import Any

from stretto.features.feature_switches import DETAILED, FEATURES, LEVEL, FeatureStates


def describe_switched_off(states: FeatureStates) -> str | None:
    """Return what is switched off and a level below the highest; None if everything is on.

    Example: "switched off: tests, caches; level minimal".
    """
    off = states.list_off()
    parts = [f"switched off: {', '.join(off)}"] if off else []
    parts += [f"level {states.level}"] if states.level != DETAILED else []
    return "; ".join(parts) or None


def build_features_document(states: FeatureStates) -> dict[str, Any]:
    """Return the state of every part with the place that decided it, as JSON."""
    return {
        "level": states.level,
        "level_origin": states.states[LEVEL].origin,
        "features": [
            {
                "name": feature.name,
                "group": feature.group,
                "on": states.is_on(feature.name),
                "origin": states.states[feature.name].origin,
                "text": feature.text,
            }
            for feature in FEATURES.values()
        ],
    }
