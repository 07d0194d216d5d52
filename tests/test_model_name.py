from __future__ import annotations

import pytest

from stretto.model.model_name import normalise_model


@pytest.mark.parametrize(
    ("spelling", "normal"),
    [
        ("claude-sonnet-4-5", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5[1m]", "claude-sonnet-4-5"),
        ("anthropic/claude-sonnet-4.5", "claude-sonnet-4.5"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "claude-3-haiku"),
        ("gpt-5-2025-08-07", "gpt-5"),
        ("GPT-5", "gpt-5"),
        ("claude-3-5-haiku-latest", "claude-3-5-haiku"),
        ("models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("llama3:8b", "llama3:8b"),
        ("gpt-4.1-mini", "gpt-4.1-mini"),
        ("o3-2025", "o3-2025"),
        ("", "none"),
        ("[1m]", "none"),
        (None, "none"),
    ],
)
def test_spellings_of_a_model_have_the_same_name(spelling: str | None, normal: str) -> None:
    """Provider, release date and options are removed; parts that distinguish models stay."""
    assert normalise_model(spelling) == normal
    assert normalise_model(normal) == normal
