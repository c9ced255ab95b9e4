"""Health, backlog, schedule reports, invariants and the audit log."""
