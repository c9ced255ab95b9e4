"""Tracked projects: intake, recording, history and queries."""
