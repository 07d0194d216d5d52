"""Configuration: the settings, their defaults, and reading them from file, environment and flags."""
