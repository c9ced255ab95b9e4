"""The use cases, one file each: plain functions that take what they need."""
