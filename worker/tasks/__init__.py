"""The Celery tasks. Each one calls a use case and logs its outcome."""
