"""Notifications: what Alertmanager reports, which alerts fire now, and how critical ones reach a person."""
