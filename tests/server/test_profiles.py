import os
import time

import pytest
from structlog.testing import capture_logs

from tidegate.server.profile import ProfileError, make_profile
from tidegate.server.profile_folder import Changed, Gone, ProfileFolder
from tidegate.server.profiles import ProfileStore

CHAT = 'kind = "chat"\nsystem_prompt = "{}"\n'
BUILTIN = {"chat": make_profile("chat.toml", "chat", {"kind": "chat", "description": "built in"})}


@pytest.fixture
def store(tmp_path):
    store = ProfileStore(BUILTIN, ProfileFolder(tmp_path), lambda file, profile: None)
    store.load()
    return store


def write(path, prompt):
    path.write_text(CHAT.format(prompt), "utf-8")


def test_a_file_overlays_the_builtin_profile_until_it_is_deleted(store, tmp_path):
    write(tmp_path / "chat.toml", "一")
    store.refresh()
    assert store.find("chat").system_prompt == "一"
    (tmp_path / "chat.toml").unlink()
    store.refresh()
    assert store.find("chat").description == "built in"


def test_every_change_shows_in_the_next_look_up(store, tmp_path):
    versions = set()
    # As within one tick of a file system's clock: same size, same times, only the content tells.
    tick_ns = time.time_ns()
    for prompt in "一二三四五六七八九十":
        write(tmp_path / "own.toml", prompt)
        os.utime(tmp_path / "own.toml", ns=(tick_ns, tick_ns))
        store.refresh()
        assert store.find("own").system_prompt == prompt
        versions.add(store.find("own").version)
    assert len(versions) == 10
    assert store.names("chat") == ["chat", "own"]
    assert store.names("classify") == []


@pytest.mark.parametrize(
    "broken",
    [
        b"kind = ",
        b'kind = "chat"\nsystem_prompt = "\xff"',
        CHAT.format("请").encode(),
        b'kind = "x"',
        b"",
    ],
)
def test_a_broken_file_is_refused_once_and_the_old_profile_stays(store, tmp_path, broken):
    write(tmp_path / "own.toml", "好")
    store.refresh()
    (tmp_path / "own.toml").write_bytes(broken)
    with capture_logs() as logs:
        store.refresh()
        store.refresh()
    assert store.find("own").system_prompt == "好"
    assert [line["event"] for line in logs] == ["profile refused, the old one stays"]
    assert str(tmp_path / "own.toml") in logs[0]["error"]


def test_a_profile_that_does_not_fit_the_model_is_refused(tmp_path):
    def check(file, profile):
        raise ProfileError(file, profile.name, "labels", "no")

    store = ProfileStore(BUILTIN, ProfileFolder(tmp_path), check)
    write(tmp_path / "own.toml", "好")
    store.refresh()
    assert store.find("own") is None


def test_a_broken_file_stops_the_start(tmp_path):
    write(tmp_path / "own.toml", "请")
    store = ProfileStore(BUILTIN, ProfileFolder(tmp_path), lambda file, profile: None)
    with pytest.raises(
        ProfileError, match=r"own\.toml: profile 'own': system_prompt: rule no-please"
    ):
        store.load()


@pytest.mark.parametrize("name", ["-x", "a b", "情感", "x" * 65])
def test_a_file_whose_name_no_metadata_can_carry_is_refused(tmp_path, name):
    write(tmp_path / f"{name}.toml", "好")
    (change,) = ProfileFolder(tmp_path).look()
    assert isinstance(change.profile, ProfileError)


def test_a_folder_that_goes_away_leaves_the_old_profiles_and_one_line(store, tmp_path):
    write(tmp_path / "own.toml", "好")
    store.refresh()
    tmp_path.rename(tmp_path.with_suffix(".away"))
    with capture_logs() as logs:
        store.refresh()
        store.refresh()
        assert store.find("own").system_prompt == "好"
        tmp_path.with_suffix(".away").rename(tmp_path)
        store.refresh()
    assert [line["log_level"] for line in logs] == ["warning", "info"]


def test_a_settled_file_is_not_read_again(tmp_path):
    path = tmp_path / "own.toml"
    write(path, "一")
    os.utime(path, ns=(10**18, 10**18))
    folder = ProfileFolder(tmp_path, wall_clock_ns=lambda: 10**18 + 3 * 10**9)
    assert [type(change) for change in folder.look()] == [Changed]
    write(path, "二")
    os.utime(path, ns=(10**18, 10**18))
    assert folder.look() == []
    path.unlink()
    assert folder.look() == [Gone("own")]


def test_only_toml_files_are_profiles(store, tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".own.toml.swp").write_text("x")
    store.refresh()
    assert store.names("chat") == ["chat"]
