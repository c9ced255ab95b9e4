"""The HTTP API and the operators' dashboard: one process, of which any number can run."""
