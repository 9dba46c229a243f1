import json
from pathlib import Path

import pytest

from tidegate.balancer.config import (
    BalancerSettings,
    ProcessSettings,
    SettingsError,
    read_settings,
)
from tidegate.balancer.core.instance import Role
from tidegate.balancer.core.scale import RoleScale
from tidegate.balancer.core.schedule import Entry


def test_flags_win_over_variables_and_variables_over_the_file(tmp_path, monkeypatch):
    file = tmp_path / "balancer.toml"
    file.write_text('port = 1\nchat_wait_s = 1\nhost = "127.0.0.2"\n')
    monkeypatch.setenv("TIDEGATE_BALANCER_PORT", "2")
    monkeypatch.setenv("TIDEGATE_BALANCER_CHAT_WAIT_S", "2")
    settings = read_settings(["--config", str(file), "--port", "3"])
    assert (settings.port, settings.chat_wait_s, settings.host) == (3, 2.0, "127.0.0.2")


def test_the_defaults_are_those_of_the_contract():
    settings = read_settings([])
    assert (settings.host, settings.port) == ("127.0.0.1", 50051)
    assert (settings.consul, settings.service_name) == ("http://127.0.0.1:8500", "tidegate")
    assert (settings.sentiment_wait_s, settings.chat_wait_s) == (2.0, 30.0)
    assert settings.addresses == ()


def test_a_fixed_list_takes_the_place_of_consul():
    settings = read_settings(["--instances", "a:1, [::1]:2"])
    assert settings.addresses == ("a:1", "[::1]:2")


def test_metrics_are_off_until_they_get_a_place():
    assert read_settings([]).metrics_address is None
    assert read_settings(["--metrics-listen", "[::1]:9464"]).metrics_address == ("::1", 9464)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--chat-wait-s", "0"], r"^chat_wait_s: 0 is not above 0.0"),
        (["--port", "65536"], r"^port: 65536 is above 65535"),
        (["--chat-share", "-1"], r"^chat_share: -1 is below 0"),
        (["--log-format", "xml"], r"^log_format: xml is not one of 'console' or 'json'"),
        (["--instances", "a"], r"^instances: a has 'a', which is not HOST:PORT"),
        (["--instances", "a:1,a:1"], r"^instances: .* names an instance twice"),
        (["--instances", "a:1", "--consul", "http://b:1"], "one of them is accepted"),
        (["--consul", "b:1"], r"^consul: b:1 is not http://HOST:PORT"),
        (["--consul", "http://b:x"], r"^consul: http://b:x is not http://HOST:PORT"),
        (
            ["--degrade-enter-s", "4"],
            "^degrade_leave_s: 5 is above degrade_enter_s 4; at most that is accepted",
        ),
        (
            ["--answer-cache-s", "60", "--share-equal-calls", "false"],
            "^answer_cache_s: 60 needs share_equal_calls; without that only 0 is accepted",
        ),
        (["--metrics-listen", "9464"], '^metrics_listen: 9464 is neither HOST:PORT nor "off"'),
        (["--colour"], "unrecognized arguments: --colour"),
        (["--config", "/nowhere.toml"], r"^config: /nowhere.toml: .*No such file"),
    ],
)
def test_a_wrong_setting_is_one_line_with_name_value_and_what_is_accepted(arguments, message):
    with pytest.raises(SettingsError, match=message) as caught:
        read_settings(arguments)
    assert "\n" not in str(caught.value)


def test_an_unknown_variable_is_an_error(monkeypatch):
    monkeypatch.setenv("TIDEGATE_BALANCER_COLOUR", "red")
    with pytest.raises(SettingsError, match="unknown variable TIDEGATE_BALANCER_COLOUR"):
        read_settings([])


def test_an_unknown_key_in_the_file_is_an_error(tmp_path):
    file = tmp_path / "balancer.toml"
    file.write_text('colour = "red"\n')
    with pytest.raises(SettingsError, match="unknown key 'colour'"):
        read_settings(["--config", str(file)])


def test_every_setting_is_described():
    assert all(field.description for field in BalancerSettings.model_fields.values())


SCHEDULE = 'schedule = [{cron = "0 9 * * 1-5", zone = "Asia/Shanghai", count = 2, for_s = 7200}]'


def settings_of(tmp_path, text: str, *more: str) -> BalancerSettings:
    file = tmp_path / "balancer.toml"
    file.write_text(text)
    return read_settings(["--config", str(file), *more])


def test_roles_are_scaled_as_their_tables_say(tmp_path):
    text = f'launcher = "process"\n[scale.both]\nminimum = 0\nmaximum = 3\n{SCHEDULE}\n'
    settings = settings_of(tmp_path, text + '[process]\nserver = "--model bundled"\noutlive = true')
    entry = Entry("0 9 * * 1-5", 2, "Asia/Shanghai", 7200.0)
    assert settings.scales == {Role.BOTH: RoleScale(minimum=0, maximum=3, schedule=(entry,))}
    assert settings.process == ProcessSettings(server="--model bundled", outlive=True)


def test_one_machine_needs_no_tables(monkeypatch):
    monkeypatch.setenv("TIDEGATE_BALANCER_PROCESS__SERVER", "--model a")
    flags = ["--launcher", "process", "--max-instances", "2", "--process.state", "/s"]
    settings = read_settings(flags)
    assert settings.scales == {Role.BOTH: RoleScale(maximum=2)}
    assert settings.process == ProcessSettings(server="--model a", state=Path("/s"))
    assert read_settings([]).scales == {}


def test_settings_travel_to_a_worker_unchanged(tmp_path):
    text = f'launcher = "process"\n[scale.both]\nmaximum = 3\n{SCHEDULE}\n'
    settings = settings_of(tmp_path, text)
    said = json.loads(json.dumps(settings.model_dump(mode="json")))
    assert BalancerSettings.restored(said) == settings


BOTH = 'launcher = "process"\n[scale.both]\nmaximum = 3\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            BOTH + 'schedule = [{cron = "61 9 * * *", count = 2}]',
            r"^scale\.both\.schedule\.0\.cron: '61 9 \* \* \*': Bad minute; accepted are minute, hour",
        ),
        (
            BOTH + 'schedule = [{cron = "1 9 * * *", count = 2, zone = "Mars/One"}]',
            r"^scale\.both\.schedule\.0\.zone: 'Mars/One' is not a time zone; accepted are names like",
        ),
        (
            BOTH + 'schedule = [{cron = "1 9 * * *", count = 4}]',
            r"^scale\.both\.schedule: an entry wants 4 instances and maximum is 3; at most that",
        ),
        (BOTH + "minimum = 4", r"^scale\.both\.minimum: 4 is not from 0 to maximum, 3"),
        (BOTH + "most = 4", r"^scale\.both\.most: 4 is for a setting that isn't there"),
        (BOTH + "use = 2", r"^scale\.both\.use: 2 is above 1.0"),
        ("[scale.bath]\nmaximum = 3", r"^scale\.bath: bath is not one of 'both', 'sentiment'"),
        ("[scale.both]\nmaximum = 3", "^scale: needs a launcher, and launcher is off"),
        ("max_instances = 3", "^max_instances: needs a launcher, and launcher is off"),
        ('launcher = "process"', "^launcher: process starts nothing without max_instances or a"),
        ("max_instances = 2\n" + BOTH, "^max_instances and scale.both are both given"),
        (
            'launcher = "process"\nmax_instances = 2\ninstances = "a:1"',
            "^launcher: process needs Consul, where instances are found that it starts",
        ),
        (
            "[process]\nserver = '--port 3'",
            "^process.server: --port 3 has --port, which the launcher",
        ),
        (
            '[process]\nserver = "--model \'x"',
            "^process.server: --model 'x can't be read: No closing",
        ),
    ],
)
def test_a_mistake_in_a_table_names_the_key_within_it(tmp_path, text, message):
    with pytest.raises(SettingsError, match=message) as caught:
        settings_of(tmp_path, text)
    assert "\n" not in str(caught.value)
