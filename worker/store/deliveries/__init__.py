"""The outbox of events, and queries on it."""
