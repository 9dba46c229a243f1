"""Judges the files by which programs show who they are: certificates, keys, tokens. Their content is never told.

Knows nothing about ports.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from tidegate.clients.doctor import certificate
from tidegate.clients.doctor.finding import Finding, good, problem, warning
from tidegate.identity.bearer import watched_secret
from tidegate.identity.pems import PemFiles
from tidegate.identity.problem import IdentityError
from tidegate.identity.tokens import read_lines


def judge_listening(files: PemFiles, host: str | None, now: datetime) -> list[Finding]:
    """What a server or a balancer is met with; `host` is what others call it by."""
    return _judge(files, certificate.shown_by_server, "serverAuth", host, now)


def judge_calling(files: PemFiles, now: datetime) -> list[Finding]:
    """What the command line, or a balancer, shows where it calls."""
    return _judge(files, certificate.shown_by_client, "clientAuth", None, now)


def judge_tokens(path: Path, now: datetime) -> list[Finding]:
    """A file of hashed tokens."""
    name = f"tokens {path}"
    try:
        lines = read_lines("tokens", path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        return [_unread(name, error)]
    except IdentityError as error:
        return [_told(name, error)]
    over = sorted({each.name for each in lines if each.expires and each.expires <= now})
    if not lines:
        advice = "`tidegate token new NAME --file` adds one; until then nobody has a token"
        found = warning(name, "holds none", advice)
    elif over:
        advice = "`tidegate token new` makes new ones, `tidegate token revoke` takes the old out"
        found = warning(name, f"{len(lines)}; expired: {', '.join(over)}", advice)
    else:
        found = good(name, f"{len(lines)} of {len({each.name for each in lines})} callers")
    return [found, *_open_to_all(path, "tokens")]


def judge_secret(field: str, path: Path) -> tuple[str, list[Finding]]:
    """The token that is all of a file, empty when it can't be had; and what there is to say of the file."""
    name = f"{field} {path}"
    try:
        secret = watched_secret(field, path).value
    except (OSError, UnicodeDecodeError) as error:
        return "", [_unread(name, error)]
    except IdentityError as error:
        return "", [_told(name, error)]
    return secret, _open_to_all(path, field)


def _judge(
    files: PemFiles,
    shown: Callable[[Path, Path], certificate.Certificate],
    usage: str,
    host: str | None,
    now: datetime,
) -> list[Finding]:
    wrong = _unusable(files)
    if wrong or files.cert is None or files.key is None:
        return [*wrong, *_authorities(files, now)]
    name = f"certificate {files.cert}"
    try:
        found = shown(files.cert, files.key)
    except OSError as error:
        return [_of_no_use(name, error, usage)]
    return [
        certificate.judge(name, found, host, now),
        *_open_to_all(files.key, "key"),
        *_authorities(files, now),
    ]


def _authorities(files: PemFiles, now: datetime) -> list[Finding]:
    """Those who may sign."""
    if files.ca is None:
        return []
    try:
        signers = certificate.authorities_in(files.ca)
    except OSError:
        return []
    if not signers:
        seen = "holds no certificate that may sign others"
        return [problem(f"ca {files.ca}", seen, "give the CA's own, not one that it has signed")]
    # Of several one may end: a CA is replaced by adding the next.
    last = max(signers, key=lambda each: each.ends)
    return [certificate.judge(f"ca {files.ca}", last, None, now)]


def _unusable(files: PemFiles) -> list[Finding]:
    try:
        files.read()
    except IdentityError as error:
        return [_told(f"certificate {files.cert or files.ca}", error)]
    return []


def _open_to_all(path: Path, what: str) -> list[Finding]:
    if not path.stat().st_mode & stat.S_IROTH:
        return []
    return [warning(f"{what} {path}", "everybody on this machine can read it", f"chmod o-r {path}")]


def _told(name: str, error: IdentityError) -> Finding:
    """An error of identity is one line: what is wrong; what to do."""
    seen, _, advice = str(error).rpartition("; ")
    return problem(name, seen, advice)


def _unread(name: str, error: OSError | UnicodeDecodeError) -> Finding:
    why = error.strerror if isinstance(error, OSError) else "it is no text"
    return problem(name, f"can't be read: {why}", "check the path, and that this user may read it")


def _of_no_use(name: str, error: OSError, usage: str) -> Finding:
    why = getattr(error, "verify_message", "") or getattr(error, "reason", "") or str(error)
    advice = f"issue one whose extendedKeyUsage has {usage}, or none"
    return problem(name, f"can't be shown here: {why}", advice)
