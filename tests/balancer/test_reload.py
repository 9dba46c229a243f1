import pytest

from tidegate.balancer.config import AT_ONCE, BalancerSettings
from tidegate.operating.reload import compare

BEFORE = BalancerSettings(consul_token="a secret", port=1)


def test_what_decisions_are_made_by_counts_and_all_else_waits_for_a_restart():
    after = BEFORE.model_copy(
        update={"chat_wait_s": 5.0, "drain_s": 9.0, "port": 2, "consul_token": "another"}
    )

    reload = compare(BEFORE, after, AT_ONCE)

    assert reload.changed == {"chat_wait_s": (30.0, 5.0), "drain_s": (30.0, 9.0)}
    assert reload.waiting == ("port", "consul_token")
    assert (reload.settings.chat_wait_s, reload.settings.port) == (5.0, 1)
    assert "another" not in repr(reload)


def test_nothing_changes_where_nothing_differs():
    reload = compare(BEFORE, BEFORE.model_copy(), AT_ONCE)
    assert (reload.settings, reload.changed, reload.waiting) == (BEFORE, {}, ())


@pytest.mark.parametrize("name", sorted(AT_ONCE))
def test_every_setting_that_counts_at_once_is_one(name):
    assert name in BalancerSettings.model_fields
