"""Says in a person's words why a connection was not trusted, from what gRPC says of it.

Pure. Knows nothing about who calls whom.
"""

_SIGNS = (
    (
        "Hostname Verification Check failed",
        "its certificate is in another name; {name} must be a name in it, or {address} must be called by one",
    ),
    ("certificate has expired", "its certificate has expired; it needs a new one"),
    ("certificate is not yet valid", "its certificate is not valid yet; compare the clocks"),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "its certificate is signed by nobody whom {ca} names; add who signed it",
    ),
    ("WRONG_VERSION_NUMBER", "it speaks no TLS; give it a certificate, or take {ca} away"),
)


def distrust(details: str, address: str, ca: str, name: str) -> str | None:
    """Why the other side at `address` was not trusted, and what to do; None for another problem.

    `ca` and `name` are the settings that decide it. A side that doesn't trust us closes the connection and says nothing.
    """
    for sign, words in _SIGNS:
        if sign in details:
            return f"{address} is not trusted: " + words.format(name=name, address=address, ca=ca)
    return None
