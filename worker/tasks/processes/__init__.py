"""What worker and beat do besides their tasks: start-up, watchdog, heartbeats, control commands."""
