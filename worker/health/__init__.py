"""Health of the processes on this host, from files and sockets, without database or broker."""
