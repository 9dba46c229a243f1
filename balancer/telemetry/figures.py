"""Figures that are counted on one thread, and read there: plain numbers, without locks.

prometheus-client's own can be counted from many threads, for which every observation takes two locks
and a search from the first bucket; seven of them were a tenth of what the balancer itself does for a call.
Knows nothing about what the figures mean.
"""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import Metric as Family
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from tidegate.balancer.telemetry.catalogue import Metric


class Count:
    """A number that grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def inc(self) -> None:
        """Count one more."""
        self.value += 1


class Spread:
    """How observations spread over buckets, each up to its bound and the last without one."""

    __slots__ = ("_bounds", "_counts", "_exemplars", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._exemplars: dict[int, Exemplar] = {}
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Take in one more."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def exemplify(self, value: float, trace_id: str, at_s: float) -> None:
        """Name the trace that a value came of, observed besides; the last one of each bucket is kept."""
        bucket = bisect_left(self._bounds, value)
        self._exemplars[bucket] = Exemplar({"trace_id": trace_id}, value, at_s)

    def add_to(self, family: HistogramMetricFamily, labels: tuple[str, ...]) -> None:
        """Put the buckets into `family`, each with all that are below it."""
        totals = accumulate(self._counts)
        names = (*map(str, self._bounds), "+Inf")
        buckets: list[tuple[str, float] | tuple[str, float, Exemplar]] = [
            (name, float(total)) for name, total in zip(names, totals, strict=True)
        ]
        for number, exemplar in self._exemplars.items():
            buckets[number] = (*buckets[number][:2], exemplar)
        family.add_metric(labels, buckets, self._sum)


class Figures(Collector):
    """All of them by metric and label values, each made once and before the first reading."""

    def __init__(self) -> None:
        self._counts: dict[Metric, dict[tuple[str, ...], Count]] = {}
        self._spreads: dict[Metric, dict[tuple[str, ...], Spread]] = {}

    def count(self, metric: Metric, *labels: str) -> Count:
        """The count with these label values."""
        return self._counts.setdefault(metric, {}).setdefault(labels, Count())

    def spread(self, metric: Metric, *labels: str) -> Spread:
        """The spread with these label values, over the metric's buckets."""
        return self._spreads.setdefault(metric, {}).setdefault(labels, Spread(metric.buckets))

    def collect(self) -> Iterator[Family]:
        """Yield each metric with all of its label values."""
        for metric, counts in self._counts.items():
            counter = CounterMetricFamily(metric.name, metric.meaning, labels=metric.labels)
            for labels, count in counts.items():
                counter.add_metric(labels, count.value)
            yield counter
        for metric, spreads in self._spreads.items():
            histogram = HistogramMetricFamily(metric.name, metric.meaning, labels=metric.labels)
            for labels, spread in spreads.items():
                spread.add_to(histogram, labels)
            yield histogram
