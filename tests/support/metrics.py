"""Reads the metrics of a program as Prometheus does: over HTTP, by the text format."""

import asyncio
from dataclasses import dataclass
from urllib.request import ProxyHandler, Request, build_opener

from prometheus_client.parser import text_string_to_metric_families

# Straight to the program, whatever proxies the environment names.
_OPENER = build_opener(ProxyHandler({}))


@dataclass(frozen=True)
class Scrape:
    """What one reading brought."""

    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]
    kinds: dict[str, str]
    meanings: dict[str, str]

    def __call__(self, name: str, **labels: str) -> float:
        """The figure with exactly these labels."""
        return self.samples[name, frozenset(labels.items())]

    def total(self, name: str, **labels: str) -> float:
        """The sum over all figures that have these labels, whatever others."""
        wanted = labels.items()
        return sum(
            figure
            for (each, said), figure in self.samples.items()
            if each == name and wanted <= dict(said).items()
        )

    def values_of(self, label: str) -> set[str]:
        """Everything that a label says anywhere."""
        return {value for _, said in self.samples for key, value in said if key == label}


def read(text: str) -> Scrape:
    families = list(text_string_to_metric_families(text))
    samples = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }
    # The parser takes "_total" off a counter's name.
    names = {
        each.name: f"{each.name}_total" if each.type == "counter" else each.name
        for each in families
    }
    return Scrape(
        samples,
        {names[each.name]: each.type for each in families},
        {names[each.name]: each.documentation for each in families},
    )


def scrape_now(port: int, path: str = "/metrics", **headers: str) -> Scrape:
    request = Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    with _OPENER.open(request, timeout=10) as answer:
        return read(answer.read().decode())


async def scrape(port: int, path: str = "/metrics") -> Scrape:
    """Read the metrics without holding up the loop that has to answer."""
    return await asyncio.to_thread(scrape_now, port, path)
