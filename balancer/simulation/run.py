"""Runs a scenario: puts the fleet, the callers and the mishaps on one clock and lets time pass.

The same scenario with the same seed gives the same run, to the last call. Knows nothing about what is
measured of it.
"""

from random import Random

from tidegate.balancer.core.call import QUEUES, Lane
from tidegate.balancer.core.instance import Phase, Role
from tidegate.balancer.simulation.clock import Clock, Rank
from tidegate.balancer.simulation.crowd import Crowd
from tidegate.balancer.simulation.launcher import Launcher
from tidegate.balancer.simulation.machine import Machine
from tidegate.balancer.simulation.registry import Entry, Registry
from tidegate.balancer.simulation.result import Result, Sample
from tidegate.balancer.simulation.scaling import Scaling
from tidegate.balancer.simulation.scenario import Scenario
from tidegate.balancer.simulation.sidecar import Sidecar
from tidegate.balancer.simulation.switches import Switch, scaled_without

SAMPLE_S = 1.0
MOST_SAMPLES = 720
"""Of longer runs than this many seconds, samples are taken more rarely: a picture has no more points."""
LONGEST_END_S = 7200.0
"""Until the last waiting or running call is over: the longest wait and the longest deadline."""


def run(scenario: Scenario, seed: int | None = None) -> Result:
    """Run it; `seed` replaces the scenario's own.

    After `duration_s` nobody comes any more, and what is there comes to its end.
    """
    seed = scenario.seed if seed is None else seed
    rng, clock = Random(seed), Clock()
    result = Result(scenario, seed)
    registry = Registry(clock, Random(rng.random()), scenario.notice_s)
    placing = Random(rng.random())
    _place_instances(scenario, registry, placing)
    cold = _place_cold(scenario, registry, placing)
    machines = {entry.machine.name: entry.machine for entry in registry.entries}
    result.machines += machines.values()
    policy = scenario.settings.policy
    for _ in range(scenario.balancers):
        own = Random(rng.random())
        result.sidecars.append(Sidecar(policy, scenario.without, machines, clock, own))
    registry.sidecars += result.sidecars
    for fault in scenario.faults:
        fault.arm(registry)
    registry.publish()
    if scenario.scale:
        result.scaling = _scaling(result, registry, cold, Random(rng.random()))
        result.scaling.look()
    for traffic in scenario.traffic:
        own = Random(rng.random())
        crowd = Crowd(traffic, scenario.engine, result.sidecars, clock, own, result.visits)
        crowd.come(scenario.duration_s)
    _sample(result, registry, clock)
    clock.run_until(scenario.duration_s)
    if result.scaling is not None:
        result.scaling.launcher.hours.change(0, clock.now_s)
    _end(result, clock)
    return result


def _place_instances(scenario: Scenario, registry: Registry, rng: Random) -> None:
    for group in scenario.instances:
        for _ in range(group.count):
            name = f"instance-{len(registry.entries)}"
            own = Random(rng.random())
            machine = Machine(name, group.slots, scenario.engine, registry.clock, own)
            registry.entries.append(Entry(machine, group.role))


def _place_cold(scenario: Scenario, registry: Registry, rng: Random) -> dict[Role, list[Entry]]:
    """Those that may be started, beside the permanent ones."""
    cold: dict[Role, list[Entry]] = {}
    for role, rule in scenario.scale.items():
        cold[role] = []
        for _ in range(max(rule.maximum - scenario.permanent[role], 0)):
            name = f"instance-{len(registry.entries)}"
            own = Random(rng.random())
            slots = scenario.starts.slots
            machine = Machine(name, slots, scenario.engine, registry.clock, own, is_alive=False)
            entry = Entry(machine, role, Phase.COLD, is_listed=False, is_permanent=False)
            registry.entries.append(entry)
            cold[role].append(entry)
    return cold


def _scaling(
    result: Result, registry: Registry, cold: dict[Role, list[Entry]], rng: Random
) -> Scaling:
    scenario = result.scenario
    starts, usual_s = scenario.starts, scenario.engine.start_up_s
    permanent = sum(scenario.permanent.values())
    return Scaling(
        {
            role: scaled_without(each.rule(), scenario.without)
            for role, each in scenario.scale.items()
        },
        dict.fromkeys(scenario.scale, starts.slots),
        Launcher(starts, usual_s, cold, permanent, registry, rng),
        result.sidecars,
        registry,
        starts.begins,
        scenario.look_s,
        tells=Switch.WAITING_ROOM not in scenario.without,
    )


def _sample(result: Result, registry: Registry, clock: Clock) -> None:
    books = [sidecar.witness for sidecar in result.sidecars]
    result.samples.append(
        Sample(
            clock.now_s,
            {lane: sum(book.waiting[lane] for book in books) for lane in QUEUES},
            {lane: sum(book.in_flight[lane] for book in books) for lane in Lane},
            {phase: registry.count(phase) for phase in Phase},
        )
    )
    next_s = clock.now_s + max(SAMPLE_S, result.scenario.duration_s / MOST_SAMPLES)
    if next_s <= result.scenario.duration_s:
        clock.at(next_s, Rank.CALLER, lambda: _sample(result, registry, clock))


def _end(result: Result, clock: Clock) -> None:
    """Let the last calls end, then close the books."""
    end_s = clock.now_s + LONGEST_END_S
    while any(each.holds_calls for each in result.sidecars) and clock.now_s < end_s:
        clock.run_until(clock.now_s + 10.0)
    for sidecar in result.sidecars:
        sidecar.witness.see_end(sidecar.pool, clock.now_s)
