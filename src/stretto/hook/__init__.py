"""Hooks of coding agents: the client that they start, and the installer of the settings that start it."""
