"""SQL: what is stored, and the few transactions that store it."""
