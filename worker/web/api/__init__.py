"""The HTTP API, under /v1: bearer tokens, JSON, problems as RFC 9457 says."""
