import pytest
from pydantic import ValidationError

from tidegate.server.config import ServerSettings, SettingsError, read_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for field in ServerSettings.model_fields:
        monkeypatch.delenv(f"TIDEGATE_SERVER_{field.upper()}", raising=False)


def line(*arguments: str) -> str:
    with pytest.raises(SettingsError) as caught:
        read_settings(arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_flags_win_over_variables_over_the_file_over_defaults(monkeypatch, tmp_path):
    file = tmp_path / "server.toml"
    file.write_text("port = 1\nchat_slots = 1\nsentiment_slots = 1\n")
    monkeypatch.setenv("TIDEGATE_SERVER_PORT", "2")
    monkeypatch.setenv("TIDEGATE_SERVER_CHAT_SLOTS", "2")
    settings = read_settings(["--config", str(file), "--port", "3"])
    assert (settings.port, settings.chat_slots, settings.sentiment_slots) == (3, 2, 1)
    assert settings.context_tokens == 2048


def test_the_file_may_be_named_by_a_variable(monkeypatch, tmp_path):
    file = tmp_path / "server.toml"
    file.write_text('role = "chat"\n')
    monkeypatch.setenv("TIDEGATE_SERVER_CONFIG", str(file))
    assert read_settings([]).role == "chat"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--port", "70000"], "port: '70000' should be less than or equal to 65535"),
        (["--port", "x"], "port: 'x' should be a valid integer"),
        (["--role", "boss"], "role: 'boss' should be 'both', 'sentiment' or 'chat'"),
        (["--chat-slots", "0"], "chat_slots: '0' should be greater than or equal to 1"),
        (["--drain-s", "nan"], "drain_s: "),
        (["--consul", "localhost"], 'http://HOST:PORT, https://HOST:PORT and "off" are accepted'),
        (["--profiles", "/no/such/folder"], "profiles: '/no/such/folder'"),
        (["--device", "cuda"], "device: 'cuda' should be 'cpu' or 'mps'"),
        (["--dtype", "int8"], "dtype: 'int8' should be 'float32' or 'bfloat16'"),
        (["--colour", "red"], "--colour"),
        (["--config", "/no/such/file"], "config: /no/such/file: "),
        (["stray"], "stray"),
    ],
)
def test_a_wrong_flag_is_one_line_with_name_value_and_range(arguments, told):
    assert told in line(*arguments)


def test_an_unknown_variable_is_an_error(monkeypatch):
    monkeypatch.setenv("TIDEGATE_SERVER_PROT", "1")
    assert line().startswith("unknown variable TIDEGATE_SERVER_PROT; known are ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("prot = 1", "unknown key 'prot'; known are model, host, port"),
        ("port = -1", "port: -1 should be greater than or equal to 0"),
        ("port", "config: "),
        ("config = 'x'", "unknown key 'config'"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path, text, told):
    file = tmp_path / "server.toml"
    file.write_text(text)
    assert told in line("--config", str(file))


def test_settings_are_frozen():
    with pytest.raises(ValidationError):
        ServerSettings().port = 1


def test_every_setting_teaches():
    for name, field in ServerSettings.model_fields.items():
        assert field.description, name
