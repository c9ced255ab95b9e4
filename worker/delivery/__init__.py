"""The destinations: how a stored piece of news leaves the house."""
