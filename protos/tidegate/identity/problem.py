"""The one way in which a file or a setting of identity is wrong."""


class IdentityError(ValueError):
    """Somebody's identity can't be told by what is there. The message is one line: field, value, what to do.

    No secret is ever part of it.
    """
