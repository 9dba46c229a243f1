"""Stories of the slots: who gets which, and what a slot is remembered for."""

from tidegate.server.engine.slots import Place, Slots

PAST = [1, 2, 3, 4, 5]


def test_a_conversation_finds_the_slot_that_it_left() -> None:
    slots = Slots(3, reserved=0)
    for held in ([9, 9], PAST, [8, 8]):
        place = slots.for_reply([7, 7], kept=0)
        assert place is not None
        slots.give_back(place.slot, held)

    assert slots.for_reply([*PAST, 6, 7], kept=0) == Place(slot=1, held=5)


def test_one_token_is_always_left_to_compute() -> None:
    slots = Slots(1, reserved=0)
    place = slots.for_reply(PAST, kept=0)
    assert place is not None
    slots.give_back(place.slot, PAST)

    assert slots.for_reply(PAST, kept=0) == Place(slot=0, held=4)


def test_a_slot_that_holds_no_more_than_the_prefix_keeps_its_conversation() -> None:
    """The least recently used one goes instead; the prefix can be copied into it."""
    slots = Slots(2, reserved=0)
    assert slots.for_reply([0, 0], kept=0) == Place(slot=0, held=0)
    assert slots.for_reply([0, 0], kept=0) == Place(slot=1, held=0)
    slots.give_back(1, [9, 9])
    slots.give_back(0, PAST)

    assert slots.for_reply([1, 2, 7, 8], kept=2) == Place(slot=1, held=0)


def test_what_was_in_a_slot_is_forgotten_when_it_is_taken() -> None:
    slots = Slots(1, reserved=0)
    slots.for_reply(PAST, kept=0)
    slots.give_back(0, PAST)
    slots.for_reply([6, 6], kept=0)
    slots.give_back(0, [6])

    assert slots.for_reply([*PAST, 6], kept=0) == Place(slot=0, held=0)


def test_labels_and_replies_never_take_each_others_slots() -> None:
    slots = Slots(3, reserved=1)

    labels = [slots.for_label([1, 2], kept=0) for _ in range(2)]
    replies = [slots.for_reply([1, 2], kept=0) for _ in range(3)]

    assert labels == [Place(2, 0), None]
    assert replies == [Place(0, 0), Place(1, 0), None]


def test_an_instance_without_slots_for_labels_lends_them_those_of_replies() -> None:
    slots = Slots(2, reserved=0)

    assert [slots.for_label([1, 2], kept=0) for _ in range(3)] == [Place(0, 0), Place(1, 0), None]
    assert slots.free == 0
