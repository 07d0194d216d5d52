"""The exporter: derived figures built at each scrape, live counters by OpenTelemetry, one registry."""
