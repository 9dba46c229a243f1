from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.exposition import generate_latest

from tidegate.balancer.telemetry.catalogue import Metric
from tidegate.balancer.telemetry.figures import Figures

METRIC = Metric("waits_seconds", "histogram", "Waits.", ("lane",), (0.1, 1.0, 10.0))


def test_a_spread_reads_as_the_librarys_own_histogram_does():
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    figures = Figures()
    spread = figures.spread(METRIC, "chat")
    ours.register(figures)
    histogram = Histogram(
        METRIC.name, METRIC.meaning, METRIC.labels, buckets=METRIC.buckets, registry=theirs
    ).labels("chat")
    for value in (0.0, 0.1, 0.1000001, 0.5, 1.0, 9.0, 10.0, 11.0, 1e9):
        spread.observe(value)
        histogram.observe(value)

    def lines(registry: CollectorRegistry) -> set[bytes]:
        text = generate_latest(registry).splitlines()
        return {line for line in text if b"_created" not in line}

    assert lines(ours) == lines(theirs)


def test_the_same_labels_are_the_same_figure():
    figures = Figures()
    figures.count(METRIC, "chat").inc()
    figures.count(METRIC, "chat").inc()
    assert figures.count(METRIC, "chat").value == 2
