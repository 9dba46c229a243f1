"""What the balancer decides: calls go in, verdicts come out, nothing here does I/O."""
