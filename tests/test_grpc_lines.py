"""What gRPC writes into our logs of its own accord: nothing, unless somebody asks for it."""

import os
import subprocess
import sys

import pytest

from tidegate.operating.grpc_lines import NOTHING, VARIABLE, quote_no_peers

LOOK = """
import os, sys
class Look:
    def find_spec(self, name, path, target=None):
        if name == "grpc":
            print(os.environ.get("GRPC_VERBOSITY"))
            raise SystemExit
sys.meta_path.insert(0, Look())
import tidegate.{program}.__main__ as it
sys.argv[1:] = ["--help"]
it.main()
"""


@pytest.mark.parametrize(("said", "holds"), [(None, NOTHING), ("", ""), ("DEBUG", "DEBUG")])
def test_who_sets_the_variable_has_the_last_word(
    monkeypatch: pytest.MonkeyPatch, said: "str | None", holds: str
):
    # Set first, so that it is put back whatever happens to it.
    monkeypatch.setenv(VARIABLE, "")
    if said is None:
        monkeypatch.delenv(VARIABLE)
    else:
        monkeypatch.setenv(VARIABLE, said)
    quote_no_peers()
    assert os.environ[VARIABLE] == holds


@pytest.mark.parametrize("program", ["balancer", "server"])
def test_the_commands_set_it_before_grpc_is_imported(program: str):
    environment = {key: value for key, value in os.environ.items() if key != VARIABLE}
    look = [sys.executable, "-c", LOOK.format(program=program)]
    said = subprocess.run(look, env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == NOTHING
