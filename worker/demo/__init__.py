"""What `renderwatch up` shows without an API key."""
