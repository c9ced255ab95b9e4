"""A project, and what a response of the API changes about it."""
