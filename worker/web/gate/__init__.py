"""What every request passes: proxies, authentication, limits, body sizes; and the listening address."""
