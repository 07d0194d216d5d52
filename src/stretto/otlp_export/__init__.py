"""OTLP export: finished sessions as OpenTelemetry spans, and the sender that never blocks its caller."""
