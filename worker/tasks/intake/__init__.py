"""The consumer of the intake queue: a thread of its own in each worker, many messages to a transaction."""
