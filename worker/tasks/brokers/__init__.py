"""Workarounds for input that breaks kombu and py-amqp."""
