"""What the server counts and measures, for Prometheus to read."""
