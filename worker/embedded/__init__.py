"""The broker that `renderwatch up` brings along, for machines that have none."""
