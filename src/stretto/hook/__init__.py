"""Hooks of coding agents: the client that they start, and the installer for their settings."""
