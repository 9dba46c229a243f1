from tidegate.balancer.core.elbow_room import SPAN_S, ElbowRoom

SLOTS = 8


def most_heavy(room: ElbowRoom, slots: int = SLOTS) -> int:
    """How many heavy calls come to be under way."""
    heavy = 0
    while heavy < slots and room.admits(heavy, slots):
        heavy += 1
    return heavy


def test_heavy_calls_have_all_slots_while_nobody_else_is_there():
    assert most_heavy(ElbowRoom()) == SLOTS


def test_as_many_as_light_calls_had_and_one_more_are_kept():
    room = ElbowRoom()
    room.note(2, 0.0)
    room.note(1, 1.0)
    assert most_heavy(room) == SLOTS - 3


def test_heavy_calls_keep_a_quarter_and_one_goes_through_the_smallest_lane():
    room = ElbowRoom()
    room.note(7, 0.0)
    assert most_heavy(room) == SLOTS // 4
    assert most_heavy(room, 1) == 1


def test_light_calls_are_remembered_for_a_while_and_then_forgotten():
    room = ElbowRoom()
    room.note(2, 0.0)
    room.note(0, SPAN_S)
    assert most_heavy(room) == SLOTS - 3
    room.note(0, 2 * SPAN_S)
    assert most_heavy(room) == SLOTS


def test_a_long_silence_is_remembered_as_nothing():
    room = ElbowRoom()
    room.note(5, 0.0)
    room.note(0, 3 * SPAN_S)
    assert most_heavy(room) == SLOTS
