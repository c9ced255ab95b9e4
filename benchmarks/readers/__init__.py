"""How fast readers get their answers, as the database grows."""
