import pytest

from tidegate.operating.reload import compare
from tidegate.server.config import AT_ONCE, ServerSettings


def test_what_calls_are_checked_by_counts_and_all_else_waits_for_a_restart():
    before = ServerSettings()
    after = before.model_copy(update={"max_text_characters": 10, "chat_slots": 2})

    reload = compare(before, after, AT_ONCE)

    assert reload.changed == {"max_text_characters": (32_768, 10)}
    assert reload.waiting == ("chat_slots",)
    assert (reload.settings.max_text_characters, reload.settings.chat_slots) == (10, 8)


@pytest.mark.parametrize("name", sorted(AT_ONCE))
def test_every_setting_that_counts_at_once_is_one(name):
    assert name in ServerSettings.model_fields
