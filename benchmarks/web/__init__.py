"""The dashboard and the HTTP API with many projects."""
