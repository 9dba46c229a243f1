"""Those who are measured. Each answers the same asks in seconds, in a process of its own."""
