"""What healthy means, and what can be wrong."""
