import pytest

from tidegate.balancer.simulation.library import ScenarioError, names, read

PLAIN = """
title = "plain"
duration_s = 10
[[instances]]
count = 2
[[traffic]]
name = "labels"
lane = "sentiment"
arrivals = { pattern = "poisson", rate = 5 }
"""


@pytest.fixture
def write(tmp_path):
    def write(text: str, name: str = "mine.toml") -> str:
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return str(path)

    return write


@pytest.mark.parametrize("name", names())
def test_every_scenario_that_comes_along_can_be_read(name):
    assert read(name).title
    assert read(name).gates or name == "capacity"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"settings.chat_share": 1.5}, "settings.chat_share: 1.5: Input should be less than or eq"),
        ({"settings.degrade_leave_s": 20}, "degrade_leave_s: 20 is above degrade_enter_s, 10"),
        ({"instances.0.chat_slots": 0}, "instances.0.chat_slots: 0: Input should be greater than"),
        ({"instances.0.colour": "red"}, "instances.0.colour: 'red': Extra inputs"),
        ({"speed": 3}, "speed: 3: Extra inputs are not permitted"),
        ({"warm_up_s": 10}, "warm_up_s: 10 leaves nothing of duration_s, 10"),
        ({"traffic.0.lane": "degraded", "instances.0.role": "sentiment"}, "traffic.0.lane: 'degraded' is not one of"),
        ({"traffic.0.lane": "chat", "instances.0.role": "sentiment"}, "no instance serves chat"),
        ({"traffic.0.arrivals": {"pattern": "flash", "rate": 5, "peak": 1, "begins_s": 1, "fades_s": 1}}, "peak: 1 is below rate, 5"),
        ({"traffic.0.arrivals": {"pattern": "step", "steps": [[1, 5]]}}, "don't begin at 0 and rise"),
        ({"traffic.0.arrivals": {"pattern": "daily", "low": 5, "high": 1}}, "low: 5 is above high, 1"),
        ({"traffic.0.arrivals.rate": -1}, "rate: -1: Input should be greater than or equal to 0"),
        ({"traffic.0.arrivals.rate": float("inf")}, "rate: inf"),
        ({"faults": [{"kind": "kill", "at_s": 1, "instances": [2]}]}, "faults.0.instances: 2 is not one of the 2"),
        ({"faults": [{"kind": "kill", "at_s": 10}]}, "faults.0.at_s: 10 is not before the end, 10"),
        ({"traffic.0.name": ""}, "traffic.0.name: '': String should have at least 1"),
        ({"instances.0.count": 0}, "instances.0.count: 0: Input should be greater than"),
        ({"settings.sentiment_wait_s": 0}, "settings.sentiment_wait_s: 0: Input should be greater"),
        ({"settings.colour": 1}, "settings.colour: 1: Extra inputs"),
        ({"gates": [{"figure": "goodput", "at_least": 2, "at_most": 1}]}, "at_least: 2 is above at_most, 1"),
        ({"faults": [{"kind": "meteor", "at_s": 1}]}, "faults.0"),
        ({"without": ["gravity"]}, "without.0: 'gravity'"),
        ({"gates": [{"figure": "luck", "at_least": 1}]}, "'luck' is not measured"),
        ({"gates": [{"figure": "inversions"}]}, "neither at_least nor at_most"),
        ({"gates": [{"figure": "goodput", "at_least": 0.9, "floor": 0.95}]}, "floor: 0.95 is above at_least, 0.9"),
        ({"gates": [{"figure": "inversions", "at_most": 1, "floor": 0}]}, "floor: 0 is below at_most, 1"),
        ({"scale": {"both": {"minimum": 3}}}, "scale.both: minimum: 3 is not from 0 to maximum, 1"),
        ({"scale": {"both": {"idle_s": 0}}}, "scale.both.idle_s: 0: Input should be greater than 0"),
        ({"scale": {"both": {"colour": "red"}}}, "scale.both.colour: 'red': Extra inputs"),
        ({"scale": {"all": {}}}, "scale.all.[key]: 'all': Input should be 'both', 'sentiment' or 'chat'"),
        ({"scale": {"both": {"schedule": [{"cron": "0 9 * *", "count": 1}]}}}, "cron: '0 9 * *': five fields"),
        ({"scale": {"both": {"schedule": [{"cron": "0 9 * * *", "count": 2}]}}}, "an entry wants 2 instances and maximum is 1"),
        ({"starts": {"broken": [[5, 1]]}}, "starts.broken: [5.0, 1.0] don't rise"),
        ({"starts": {"fails": 2}}, "starts.fails: 2: Input should be less than or equal to 1"),
        ({"starts": {"begins": "soon"}}, "starts.begins: 'soon'"),
        ({"look_s": 0}, "look_s: 0: Input should be greater than 0"),
        ({"instances": []}, "there are none, and no [scale.ROLE] starts any"),
        ({"instances": [], "scale": {"chat": {}}}, "no instance serves sentiment"),
        ({"traffic.7.lane": "chat"}, "there is no 'traffic.7.lane' to change"),
    ],
)  # fmt: skip
def test_a_contradiction_is_refused_with_its_field(write, changes, told):
    with pytest.raises(ScenarioError) as refusal:
        read(write(PLAIN), changes)
    assert told in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_two_kinds_of_callers_have_two_names(write):
    traffic = PLAIN[PLAIN.index("[[traffic]]") :]
    with pytest.raises(ScenarioError, match=r"traffic\.1\.name: 'labels' is taken"):
        read(write(PLAIN + traffic))


def test_a_scenario_builds_on_another_and_changes_values_of_it(write):
    write(PLAIN, "plain.toml")
    path = write('like = "plain.toml"\ntitle = "more"\n[set]\n"traffic.0.arrivals.rate" = 50\n')
    scenario = read(path)
    assert scenario.title == "more"
    assert scenario.traffic[0].arrivals.rate == 50
    assert scenario.instances[0].count == 2


def test_a_circle_of_scenarios_is_refused(write):
    path = write('like = "mine.toml"')
    with pytest.raises(ScenarioError, match="builds on itself"):
        read(path)


def test_an_unknown_name_is_answered_by_the_known_ones():
    with pytest.raises(ScenarioError, match=r"known by name: .*flash-crowd"):
        read("no-such-scenario")


def test_a_recorded_trace_is_looked_for_beside_its_scenario(write):
    write("at_s\n0.5\n0.25\n", "trace.csv")
    arrivals = 'arrivals = { pattern = "trace", file = "trace.csv" }'
    text = PLAIN.replace('arrivals = { pattern = "poisson", rate = 5 }', arrivals)
    assert read(write(text)).traffic[0].arrivals.moments() == [0.25, 0.5]


@pytest.mark.parametrize("line", ["soon", "-1", "nan", ""])
def test_a_broken_trace_is_refused_with_its_line(write, line):
    write(f"at_s,x\n0.5,1\n{line},1\n", "trace.csv")
    arrivals = 'arrivals = { pattern = "trace", file = "trace.csv" }'
    text = PLAIN.replace('arrivals = { pattern = "poisson", rate = 5 }', arrivals)
    with pytest.raises(ScenarioError, match=r"trace\.csv, line 3: at_s is"):
        read(write(text))
