"""Claims, leases, rate limits and learned durations."""
