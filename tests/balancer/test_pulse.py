import time

from support.waiting import eventually

from tidegate.balancer.pulse import Pulse


async def test_a_loop_that_is_blocked_is_seen_to_lag():
    lags: list[float] = []
    pulse = Pulse(lags.append)
    pulse.start()
    await eventually(lambda: len(lags) > 1)
    time.sleep(0.15)  # noqa: ASYNC251  # the very thing that is measured
    await eventually(lambda: max(lags) > 0.12)
    pulse.stop()
    Pulse(lags.append).stop()
