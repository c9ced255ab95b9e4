"""Clients that wait for changes, and streams of events."""
