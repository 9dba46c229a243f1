import pytest

from tidegate.balancer.config import BalancerSettings, SettingsError, read_settings


def test_flags_win_over_variables_and_variables_over_the_file(tmp_path, monkeypatch):
    file = tmp_path / "balancer.toml"
    file.write_text('port = 1\nchat_wait_s = 1\nhost = "h1"\n')
    monkeypatch.setenv("TIDEGATE_BALANCER_PORT", "2")
    monkeypatch.setenv("TIDEGATE_BALANCER_CHAT_WAIT_S", "2")
    settings = read_settings(["--config", str(file), "--port", "3"])
    assert (settings.port, settings.chat_wait_s, settings.host) == (3, 2.0, "h1")


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
