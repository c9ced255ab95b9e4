"""The same work done by others, such as a hand-written poller and job frameworks: ``make bench-peers``."""
