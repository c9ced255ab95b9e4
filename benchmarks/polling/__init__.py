"""When to check: requests against delay, in a simulation that runs the real rules."""
