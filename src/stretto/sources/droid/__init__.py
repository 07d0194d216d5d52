"""Droid: its session files."""
