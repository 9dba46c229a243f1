"""A fleet, its callers and its mishaps on a simulated clock; every decision is the pool's own."""
