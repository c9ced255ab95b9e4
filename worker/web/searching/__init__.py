"""What pages search for: filters and periods, as they are in addresses."""
