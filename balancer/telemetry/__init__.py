"""What the balancer counts and measures, for Prometheus to read."""
