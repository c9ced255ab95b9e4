"""The HTTP API, under /v1: bearer tokens, JSON, and problem details (RFC 9457)."""
