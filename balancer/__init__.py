"""Tidegate's load-shedding sidecar: one address in front of every instance."""
