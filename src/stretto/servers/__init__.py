"""Run Prometheus and Alertmanager beside the service, and write their configuration."""
