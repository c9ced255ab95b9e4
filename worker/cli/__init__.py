"""The ``renderwatch`` command."""
