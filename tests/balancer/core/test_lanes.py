from tidegate.balancer.core.call import Call, Lane
from tidegate.balancer.core.lanes import Waiter, WaitingRoom


def waiter(number: int, expires_s: float, *, returned: bool = False, caller: str = "") -> Waiter:
    return Waiter(Call(number, Lane.CHAT, 0.0, caller=caller), expires_s, number, returned)


def room_of(*waiters: Waiter) -> WaitingRoom:
    room = WaitingRoom()
    for each in waiters:
        room.put(each)
    return room


def order(room: WaitingRoom) -> list[int]:
    return [each.call.id for each in room]


def test_the_earliest_expiry_goes_first_and_arrival_decides_among_equals():
    assert order(room_of(waiter(1, 9.0), waiter(2, 5.0), waiter(3, 9.0))) == [2, 1, 3]


def test_a_call_that_came_back_goes_before_all_others():
    assert order(room_of(waiter(1, 5.0), waiter(2, 9.0, returned=True))) == [2, 1]


def test_callers_take_turns_and_their_own_calls_stay_in_order():
    loud = [waiter(number, 9.0 - number, caller="loud") for number in (1, 2, 3)]
    room = room_of(*loud, waiter(4, 20.0, caller="quiet"), waiter(5, 30.0, returned=True))
    assert order(room) == [5, 3, 4, 2, 1]
    assert (room.ahead_of(waiter(6, 40.0, caller="quiet")), len(room)) == (4, 5)
    assert room.ahead_of(waiter(6, 40.0, caller="new")) == 3
    room.serve(loud[2])
    assert order(room) == [5, 4, 2, 1]
    room.serve(waiter(5, 30.0, returned=True))
    assert room.take(4) == waiter(4, 20.0, caller="quiet")
    assert order(room) == [2, 1]


def test_a_call_that_leaves_frees_its_place_at_once():
    room = room_of(waiter(1, 5.0), waiter(2, 6.0))
    assert room.take(1) == waiter(1, 5.0)
    assert room.take(1) is None
    assert (order(room), len(room)) == ([2], 1)


def test_the_place_of_a_newcomer_is_known_before_it_waits():
    room = room_of(waiter(1, 5.0), waiter(2, 9.0))
    assert room.ahead_of(waiter(3, 7.0)) == 1
    assert room.ahead_of(waiter(3, 7.0, returned=True)) == 0


def test_the_next_expiry_looks_behind_those_that_came_back():
    assert WaitingRoom().next_expiry_s is None
    assert room_of(waiter(1, 5.0), waiter(2, 9.0, returned=True)).next_expiry_s == 5.0
    assert room_of(waiter(1, 9.0), waiter(2, 5.0, returned=True)).next_expiry_s == 5.0
    assert room_of(waiter(2, 5.0, returned=True)).next_expiry_s == 5.0


def test_only_those_whose_time_is_up_are_taken():
    room = room_of(waiter(1, 5.0), waiter(2, 6.0), waiter(3, 9.0, returned=True))
    assert [each.call.id for each in room.take_expired(5.0)] == [1]
    assert order(room) == [3, 2]
    assert [each.call.id for each in room.take_expired(9.0)] == [3, 2]
    assert room.take_expired(10.0) == []


def heavy(number: int) -> Waiter:
    return Waiter(Call(number, Lane.CHAT, 0.0, is_stream=True), 9.0, number)


def test_a_heavy_call_that_waits_blocks_heavy_newcomers_and_no_light_one():
    room = room_of(heavy(1))
    assert (room.blocks(heavy(2)), room.blocks(waiter(2, 9.0)), room.light) == (True, False, 0)
    room.put(waiter(3, 9.0))
    assert (room.blocks(heavy(4)), room.blocks(waiter(4, 9.0)), room.light) == (True, True, 1)
    room.take(3)
    assert room.light == 0
