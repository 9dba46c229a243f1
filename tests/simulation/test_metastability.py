"""However much is lost, for however long, at whatever load: when it is back, so is the service."""

import pytest

LOST = [0.5, 0.8, 0.95]
LASTS_S = [5, 10, 30]
# Chats a second at 0.6, 0.8 and 0.95 of what two instances answer beside their labels.
RATES = {0.6: 1.65, 0.8: 2.2, 0.95: 2.6}


@pytest.mark.parametrize("load", RATES)
@pytest.mark.parametrize("lasts_s", LASTS_S)
@pytest.mark.parametrize("lost", LOST)
def test_the_service_recovers_from_a_loss_of_capacity(judge, lost, lasts_s, load):
    # A fleet works off what it missed with what little it has to spare, and forgets its slowest
    # answers only as it gives new ones.
    load = {"traffic.1.arrivals.rate": RATES[load], "duration_s": 400}
    loss = {"faults.0.speed": round(1.0 - lost, 2), "faults.0.for_s": lasts_s}
    found = judge.figures("capacity-loss", load | loss)
    unharmed = judge.figures("capacity-loss", load | {"faults": []})
    assert found["late_served"] >= 0.95 * unharmed["late_served"]
    assert found["violations"] == 0
