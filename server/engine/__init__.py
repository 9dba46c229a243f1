"""The model engine: sequences in, label scores and text out, one step at a time."""
