"""The HTTP backend: metrics, hooks, JSON and the page. It renders what it is handed and reads no store."""
