"""Prometheus and Alertmanager beside the service: their processes and their configuration."""
