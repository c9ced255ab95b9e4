"""Simulated projects: how they are created, live and end, and what the API says of them."""
