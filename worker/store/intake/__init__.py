"""Taking in tracking requests: storing them, the accounts they may name, rejected ones, and hints."""
