"""When to check, each account's rate limit, and which projects to check first."""
