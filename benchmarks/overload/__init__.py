"""Overload over real gRPC: ours beside what a user would put there instead, before the same instances."""
