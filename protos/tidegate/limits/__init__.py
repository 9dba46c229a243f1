"""What one who calls may take of a process, alike for server and balancer: connections, streams, bytes, and time.

Knows nothing about who calls, nor what is asked.
"""
