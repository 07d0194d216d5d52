"""Qwen Code: its chat files and those of its subagents."""
