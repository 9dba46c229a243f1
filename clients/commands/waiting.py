"""Tells a person what a call waits for, while it waits.

Knows nothing about the wire, nor about what the call will bring.
"""

from __future__ import annotations

import math

from tidegate.clients.answers import Warming
from tidegate.clients.commands.failure import say
from tidegate.clients.commands.output import aside
from tidegate.clients.words import told


def say_warming(event: Warming) -> None:
    """One line on stderr: nothing is hot yet, and how long that is likely to last."""
    seconds = max(1, math.ceil(event.expected_s))
    say(aside(told("(warming up, about {seconds} s)", seconds=seconds)))
