"""The web page, and the gateway that turns a browser's calls into gRPC."""
