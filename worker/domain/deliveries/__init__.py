"""Where events are delivered to, and when a delivery is retried or given up."""
