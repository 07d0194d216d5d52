"""Codex: the rollout files of OpenAI's Codex CLI."""
