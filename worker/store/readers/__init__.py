"""For readers of the database: the read-only role, exports and the data dictionary."""
