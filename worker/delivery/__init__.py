"""The destinations to which stored events are delivered."""
