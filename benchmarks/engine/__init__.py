"""The engine's table of gates: ours beside what a user would pick instead, on the same cores."""
