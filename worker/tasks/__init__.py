"""The Celery tasks. Each one parses, calls one use case, and reports its outcome once."""
