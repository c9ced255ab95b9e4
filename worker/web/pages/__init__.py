"""The dashboard: pages made on the server, one module each."""
