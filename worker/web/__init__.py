"""The HTTP API and the operators' dashboard: one process, which can run many times."""
