"""Renderwatch: tracks Magic Hour projects to the end."""
