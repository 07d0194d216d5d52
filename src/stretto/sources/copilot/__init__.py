"""Copilot: the ``events.jsonl`` files of GitHub Copilot CLI."""
