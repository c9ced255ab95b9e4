"""What callers send: tracking requests, with their identifiers and metadata."""
