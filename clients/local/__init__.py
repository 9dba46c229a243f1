"""A whole service on this machine, as child processes."""
