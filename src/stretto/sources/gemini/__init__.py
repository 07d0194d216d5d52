"""Gemini CLI: its chat files and those of its subagents."""
