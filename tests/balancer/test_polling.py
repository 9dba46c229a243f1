import os

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
