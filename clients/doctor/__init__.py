"""Looks at a machine before, or after, something goes wrong on it; changes nothing."""
