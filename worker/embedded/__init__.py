"""The private broker that `renderwatch up` runs on machines without one."""
