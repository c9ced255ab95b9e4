"""Taking in tracking requests, from messages, HTTP, the command line and SQL, and hints about projects."""
