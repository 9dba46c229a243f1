"""Writes docs/telemetry.md from the catalogues of both programs; `--check` fails on a difference."""

import argparse
from pathlib import Path

from tidegate.balancer.telemetry import catalogue as balancer
from tidegate.server.telemetry import catalogue as server

PAGE = Path(__file__).resolve().parent.parent / "docs" / "telemetry.md"
INTRODUCTION = """# Metrics

Both programs count and measure for Prometheus, on an HTTP port of their own. It is closed until you name a place for it:

```console
$ tidegate-balancer --metrics-listen 127.0.0.1:9464
$ tidegate-server --metrics-listen 127.0.0.1:9465
$ curl -s 127.0.0.1:9464/metrics
```

Times are in seconds, counters end in `_total`, and every figure counts from the start of its process. Beside those below
there are those of the process (`process_cpu_seconds_total`, `process_resident_memory_bytes`, …). Labels are lanes, outcomes,
reasons, phases and the instances that are there now: no caller, no conversation, no text, so the number of series is
bounded by the fleet.

One reading of the balancer is of one instant. At any time, over all lanes,

```
tidegate_calls_offered_total = tidegate_calls_ended_total + tidegate_calls_waiting + tidegate_calls_in_flight
```

and `tidegate_calls_ended_total` are the counts of `Fleet.GetStatus`. A call that an equal one answers is counted when it is over.

Where the field has a name for the same thing, the server uses it: OpenTelemetry's `gen_ai.server.*` in Prometheus' spelling,
and vLLM's, which autoscalers and gateways read. The balancer's durations have names of their own, for they contain the
server's: a sum over both would count each call twice.

## Four questions, and where to look

| Question | Look at |
|---|---|
| Are callers answered? | `rate(tidegate_calls_ended_total)` by `outcome`; `full` and `degraded` are answers |
| Why not? | `rate(tidegate_calls_shed_total)` by `reason`; [what each means](contract.md) |
| Is the fleet too small, or one instance slow? | `tidegate_queue_estimated_wait_seconds`; `tidegate_instance_limit` below `tidegate_instance_slots` |
| Can the estimates be trusted? | `tidegate_queue_estimate_error_seconds`: near 0 is right, above it waits were longer than promised |

## A dashboard, and who is woken up

[`deploy/observability`](../deploy/observability) has what a Prometheus and a Grafana need: `prometheus.yaml` reads both programs and loads
`alerts.yaml`, nine rules with the symptom of [the runbook](runbook.md) that each leads to; `dashboard.json` is imported into Grafana as it
is. A test has a real Prometheus load all of it and read a balancer and two servers under load, until every panel has
data; `promtool` plays each alert. A Grafana that draws it was not tried.

Which instance a balancer means comes out as the label `exported_instance`, because `instance` is Prometheus' own word for whom it read.

Where [tracing](tracing.md) is on, `tidegate_call_duration_seconds` and `gen_ai_server_request_duration_seconds` carry exemplars in the
OpenMetrics format: a point of the curve leads to a trace. Prometheus keeps them with `--enable-feature=exemplar-storage`.

This page is generated from the programs: `python scripts/describe_metrics.py`.
"""


def section(program: str, catalogue: tuple[balancer.Metric | server.Metric, ...]) -> str:
    """Return the table of one program."""
    lines = [f"\n## {program}\n", "| Metric | Kind | Labels | Meaning |", "|---|---|---|---|"]
    for metric in catalogue:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.meaning} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Rewrite or check the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    page = INTRODUCTION
    page += section("tidegate-balancer", balancer.CATALOGUE)
    page += section("tidegate-server", server.CATALOGUE)
    if not parser.parse_args().check:
        PAGE.write_text(page, "utf-8")
    elif PAGE.read_text("utf-8") != page:
        raise SystemExit("docs/telemetry.md differs: run scripts/describe_metrics.py")


if __name__ == "__main__":
    main()
