"""Tracked projects: recording, history and queries."""
