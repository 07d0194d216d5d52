"""Prometheus metrics: derived figures built at each scrape and live counters, in a single registry."""
