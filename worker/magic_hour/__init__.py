"""The remote API: asking for one project, and reading the answer."""
