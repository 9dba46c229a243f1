"""What an operator does with a running program, alike for server and balancer: read its settings anew, close its
terminal, look at gRPC's own connections. Knows nothing about calls, nor what any setting means.
"""
