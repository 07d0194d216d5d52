"""Mistral Vibe: the sessions that it stores."""
