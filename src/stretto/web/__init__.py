"""HTTP: metrics, hooks, JSON and the page, rendered from a backend; nothing here reads the store."""
