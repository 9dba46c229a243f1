"""Benchmarks, run from the repository: each prints its figures beside those of its peers."""
