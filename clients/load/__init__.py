"""Puts load on a balancer, open-loop, and says what became of it and how well it was put."""
