"""Notifications: keep Alertmanager's messages, select current alerts, announce critical alerts."""
