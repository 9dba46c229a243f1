import os
import subprocess
import sys

import pytest

from tidegate.balancer.polling import VARIABLE, WITHOUT_EVENT_ENGINE, poll_directly


@pytest.mark.parametrize(
    ("said", "holds"), [(None, WITHOUT_EVENT_ENGINE), ("", ""), ("tcp_rcv_lowat", "tcp_rcv_lowat")]
)
def test_who_sets_the_variable_has_the_last_word(
    monkeypatch: pytest.MonkeyPatch, said: "str | None", holds: str
):
    # Set first, so that it is put back whatever happens to it.
    monkeypatch.setenv(VARIABLE, "")
    if said is None:
        monkeypatch.delenv(VARIABLE)
    else:
        monkeypatch.setenv(VARIABLE, said)
    poll_directly()
    assert os.environ[VARIABLE] == holds


def test_the_command_sets_it_before_grpc_is_imported():
    look = """
import os, sys
class Look:
    def find_spec(self, name, path, target=None):
        if name == "grpc":
            print(os.environ.get("GRPC_EXPERIMENTS"))
sys.meta_path.insert(0, Look())
import tidegate.balancer.__main__
"""
    environment = {key: value for key, value in os.environ.items() if key != VARIABLE}
    said = subprocess.run(
        [sys.executable, "-c", look], env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == WITHOUT_EVENT_ENGINE
