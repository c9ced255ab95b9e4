"""The client of the Magic Hour API: requesting projects and parsing responses."""
