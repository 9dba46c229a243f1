"""The one way in which a start fails."""


class StartError(Exception):
    """The server can't start. The message is one line for the person who started it."""
