"""Reads the engine and the admission when somebody asks. Changes nothing."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import Metric as Family
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from tidegate.server.admission import Admission
from tidegate.server.engine.sequence import EngineLoad
from tidegate.server.lane import Lane
from tidegate.server.telemetry import catalogue
from tidegate.server.telemetry.catalogue import Metric

NO_ENGINE = EngineLoad(
    running=0,
    waiting=0,
    slots=0,
    free_slots=0,
    finished=0,
    cancelled=0,
    failed=0,
    steps=0,
    computed_tokens=0,
    cached_tokens=0,
)


class LoadCollector(Collector):
    """The counters that the server holds anyway. From any thread.

    `load` is the engine's; while there is none, it returns None and all is 0.
    """

    def __init__(
        self,
        admission: Admission,
        lanes: Sequence[Lane],
        load: Callable[[], EngineLoad | None],
        version: str,
    ) -> None:
        self._admission = admission
        self._lanes = lanes
        self._load = load
        self._version = version

    def collect(self) -> Iterator[Family]:
        """Yield each metric with all of its label values."""
        load = self._load() or NO_ENGINE
        admission = self._admission
        yield _family(catalogue.BUILD_INFO, [((self._version,), 1)])
        yield _family(catalogue.RUNNING, [((), load.running)])
        yield _family(catalogue.WAITING, [((), load.waiting)])
        yield _family(catalogue.ENGINE_SLOTS, [((), load.slots)])
        yield _family(catalogue.FREE_SLOTS, [((), load.free_slots)])
        yield _family(catalogue.STEPS, [((), load.steps)])
        yield _family(catalogue.COMPUTED, [((), load.computed_tokens)])
        yield _family(catalogue.CACHED, [((), load.cached_tokens)])
        endings = {
            "finished": load.finished,
            "cancelled": load.cancelled,
            "failed": load.failed,
        }
        yield _family(catalogue.SEQUENCES, [((name,), count) for name, count in endings.items()])
        yield _family(
            catalogue.LANE_SLOTS, [((each.value,), admission.slots(each)) for each in self._lanes]
        )
        yield _family(
            catalogue.LANE_IN_FLIGHT,
            [((each.value,), admission.in_flight(each)) for each in self._lanes],
        )


def _family(metric: Metric, rows: Iterable[tuple[tuple[str, ...], float]]) -> Family:
    make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = make(metric.name, metric.meaning, labels=metric.labels)
    for labels, figure in rows:
        family.add_metric(labels, figure)
    return family
