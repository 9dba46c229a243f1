"""What torch's threads do between two products: spin briefly, then sleep.

OpenMP's threads spin for milliseconds by default, and a product ends when its last thread does. On a
machine that the sidecar, Consul or a client share, a spinning thread holds the core that the last one
waits for. Measured on 2 cores, a product of one row: beside other work 8.7 ms by default, 5.1 ms
so, 2.9 ms without any spinning; alone on the machine, a decode step of 8 rows takes 0.19 s by default
and so, and 0.29 s without. Where the user has said otherwise, that holds.
"""

import os

CHOSEN_BY_USERS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "KMP_BLOCKTIME")
"""Variables by which a user decides; any of them is left as it is."""
# Turns of the waiting loop: some tenths of a millisecond, longer than between two products.
_SPIN_COUNT = 20_000


def let_idle_threads_sleep() -> None:
    """Say so to OpenMP, which reads it when torch is imported: call it before."""
    if not any(name in os.environ for name in CHOSEN_BY_USERS):
        os.environ["GOMP_SPINCOUNT"] = str(_SPIN_COUNT)
