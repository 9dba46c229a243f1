"""Reads the pool when somebody asks, so that counts and depths are those of one instant.

Changes nothing, and holds no figures of its own. Knows nothing about where they go.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import Metric as Family
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from tidegate.balancer.core.call import QUEUES, Lane
from tidegate.balancer.core.instance import Phase
from tidegate.balancer.core.pool import Pool
from tidegate.balancer.core.verdict import Reason
from tidegate.balancer.telemetry import catalogue
from tidegate.balancer.telemetry.catalogue import Metric

Row = tuple[tuple[str, ...], float]
"""Label values, and the figure."""


class FleetCollector(Collector):
    """The metrics that the pool itself holds. To be used on the loop that drives the pool."""

    def __init__(self, pool: Pool, clock: Callable[[], float], version: str) -> None:
        self._pool = pool
        self._clock = clock
        self._version = version

    def collect(self) -> Iterator[Family]:
        """Yield each metric with all of its label values."""
        pool, now = self._pool, self._clock()
        tallies = [(lane, pool.tally(lane)) for lane in QUEUES]
        backlogs = [(lane, pool.backlog(lane, now)) for lane in QUEUES]
        yield _family(catalogue.BUILD_INFO, [((self._version,), 1)])
        yield _family(
            catalogue.OFFERED, [((lane.value,), tally.offered) for lane, tally in tallies]
        )
        yield _family(
            catalogue.ENDED,
            [
                ((lane.value, ending), count)
                for lane, tally in tallies
                for ending, count in (
                    ("full", tally.full),
                    ("degraded", tally.degraded),
                    ("shed", tally.shed),
                    ("expired", tally.expired),
                    ("cancelled", tally.cancelled),
                    ("failed", tally.failed),
                )
            ],
        )
        yield _family(
            catalogue.SHED,
            [
                ((lane.value, reason.value), tally.by_reason[reason])
                for lane, tally in tallies
                for reason in Reason
                if reason is not Reason.EXPIRED
            ],
        )
        yield _family(
            catalogue.BESIDE,
            [
                ((lane.value, how), count)
                for lane, tally in tallies
                for how, count in (("shared", tally.shared), ("cached", tally.cached))
            ],
        )
        yield _family(
            catalogue.WAITING, [((lane.value,), backlog.depth) for lane, backlog in backlogs]
        )
        yield _family(catalogue.IN_FLIGHT, [((), pool.in_flight)])
        yield _family(
            catalogue.ESTIMATED_WAIT,
            [((lane.value,), backlog.estimated_wait_s) for lane, backlog in backlogs],
        )
        phases = Counter(instance.phase for instance in pool.instances)
        yield _family(
            catalogue.INSTANCES,
            [((phase.value,), phases[phase]) for phase in Phase if phase is not Phase.GONE],
        )
        slots: list[Row] = []
        limits: list[Row] = []
        in_flight: list[Row] = []
        for instance in pool.instances:
            for lane in Lane:
                if instance.registration.slots_of(lane):
                    labels = instance.id, lane.value
                    slots.append((labels, instance.registration.slots_of(lane)))
                    limits.append((labels, instance.limit(lane, now)))
                    in_flight.append((labels, instance.in_flight[lane]))
        yield _family(catalogue.INSTANCE_SLOTS, slots)
        yield _family(catalogue.INSTANCE_LIMIT, limits)
        yield _family(catalogue.INSTANCE_IN_FLIGHT, in_flight)


def _family(metric: Metric, rows: Iterable[Row]) -> Family:
    make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = make(metric.name, metric.meaning, labels=metric.labels)
    for labels, figure in rows:
        family.add_metric(labels, figure)
    return family
