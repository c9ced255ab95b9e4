"""How fast a tracked check is, beside the usual design and a bare request: ``make bench``."""
