"""The rules, and nothing else: standard library only, no I/O, no clock."""
