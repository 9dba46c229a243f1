"""What was found of one thing that a service needs, and what to do about it.

Knows nothing about how it was found.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """How serious a finding is."""

    OK = "ok"
    NOTE = "note"
    """Nothing is wrong; it could be better, or could not be looked at."""
    WARNING = "warning"
    """It works, and will hurt."""
    PROBLEM = "problem"
    """It doesn't work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what it is like, and what to do where that isn't good."""

    name: str
    verdict: Verdict
    seen: str
    advice: str = ""


def good(name: str, seen: str) -> Finding:
    """There is nothing to do."""
    return Finding(name, Verdict.OK, seen)


def note(name: str, seen: str, advice: str = "") -> Finding:
    """There may be something to do."""
    return Finding(name, Verdict.NOTE, seen, advice)


def warning(name: str, seen: str, advice: str) -> Finding:
    """Something should be done."""
    return Finding(name, Verdict.WARNING, seen, advice)


def problem(name: str, seen: str, advice: str) -> Finding:
    """Something must be done."""
    return Finding(name, Verdict.PROBLEM, seen, advice)
