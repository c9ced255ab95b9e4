"""Charts and curves, as numbers that a template draws."""
