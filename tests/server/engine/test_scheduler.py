"""Stories of the scheduler: who gets a slot, and what a step computes."""

from tidegate.server.engine.batch import Ask, Recall, Row
from tidegate.server.engine.label_tree import LabelTree
from tidegate.server.engine.pace import Pace
from tidegate.server.engine.prefixes import Prefixes
from tidegate.server.engine.scheduler import Scheduler
from tidegate.server.engine.sequence import Aim, Keep, Label, Sampling, Sequence, Write
from tidegate.server.engine.slots import Slots

LABEL = Label(LabelTree([[1], [2]]))
WRITE = Write(Sampling(), 0)


def scheduler(slots: int = 3, reserved: int = 1) -> Scheduler:
    """A scheduler that reads 64 tokens of prompts in a step, 32 beside replies."""
    pace = Pace(step_s=1.0)
    pace.learn(16, seconds=1.0)
    return Scheduler(Slots(slots, reserved), Prefixes(100), pace)


def sequence(number: int, aim: Aim, length: int = 4) -> Sequence:
    return Sequence(number, list(range(length)), aim)


def item(number: int) -> Sequence:
    """One of many of a stream."""
    return Sequence(number, list(range(4)), LABEL, is_bulk=True)


def test_a_label_overtakes_a_waiting_reply() -> None:
    machine = scheduler(slots=1, reserved=0)
    machine.add(sequence(1, WRITE))
    machine.add(sequence(2, LABEL))

    batch = machine.schedule()

    assert [s.id for s in machine.planned(batch)] == [2]


def test_replies_never_take_the_reserved_slots() -> None:
    machine = scheduler(slots=3, reserved=1)
    for number in range(3):
        machine.add(sequence(number, WRITE))

    machine.schedule()

    assert repr(machine) == "<Scheduler 2 running, 1 waiting>"
    assert machine.slots.free == 1


def test_a_label_finds_a_slot_beside_a_full_house_of_replies() -> None:
    machine = scheduler(slots=3, reserved=1)
    for number in range(4):
        machine.add(sequence(number, WRITE))
    machine.schedule()

    machine.add(sequence(9, LABEL))
    batch = machine.schedule()

    assert machine.planned(batch)[0].id == 9


def test_a_step_reads_no_more_of_prompts_than_its_budget() -> None:
    machine = scheduler(reserved=2)
    machine.add(sequence(1, LABEL, length=40))
    machine.add(sequence(2, LABEL, length=90))

    batch = machine.schedule()

    assert [len(row.tokens) for row in batch.rows] == [40, 24]
    assert [row.aim for row in batch.rows] == [Ask((1, 2)), None]


def test_a_prompt_that_a_little_more_would_end_is_read_to_its_end() -> None:
    machine = scheduler(reserved=3)
    for number in range(3):
        machine.add(sequence(number, LABEL, length=30))

    assert [len(row.tokens) for row in machine.schedule().rows] == [30, 30, 30]


def test_a_short_label_goes_before_long_ones_that_came_earlier() -> None:
    machine = scheduler(slots=4, reserved=4)
    for number in (1, 2):
        machine.add(sequence(number, LABEL, length=200))
    machine.schedule()
    machine.add(sequence(3, LABEL, length=20))

    batch = machine.schedule()

    read = {
        s.id: len(row.tokens) for s, row in zip(machine.planned(batch), batch.rows, strict=True)
    }
    # A quarter of the 64 is for the one that came first.
    assert read == {1: 16, 3: 20, 2: 28}


def test_where_short_labels_wait_one_slot_is_for_long_ones() -> None:
    machine = scheduler(slots=4, reserved=4)
    for number in range(6):
        machine.add(sequence(number, LABEL, length=500))
    machine.schedule()
    # Alone they leave one slot to a short one that comes.
    assert [each.id for each in machine.running] == [0, 1, 2]
    for number in range(10, 15):
        machine.add(sequence(number, LABEL, length=20))
    machine.schedule()
    assert [each.id for each in machine.running] == [0, 1, 2, 10]
    # As they end short ones take their places, until one long one is left.
    for number in (0, 1):
        machine.remove(next(each for each in machine.running if each.id == number))
        machine.schedule()
    assert [each.id for each in machine.running] == [2, 10, 11, 12]
    machine.remove(machine.running[0])
    machine.schedule()
    assert [each.id for each in machine.running] == [10, 11, 12, 3]
    assert machine.waiting == 4


def test_where_single_labels_wait_one_slot_is_for_items_of_streams() -> None:
    machine = scheduler(slots=4, reserved=4)
    for number in range(9):
        machine.add(item(number))
    machine.schedule()
    # Alone they have all: they end with this step.
    assert [each.id for each in machine.running] == [0, 1, 2, 3]
    for number in range(10, 14):
        machine.add(sequence(number, LABEL))
    running = []
    for _ in range(3):
        for each in tuple(machine.running):
            machine.remove(each)
        machine.schedule()
        running.append([each.id for each in machine.running])
    # Where single ones came lately, half of the slots.
    assert running == [[4, 10, 11, 12], [5, 13, 6], [7, 8]]


def test_an_item_of_a_stream_reads_as_much_as_any_label_of_its_length() -> None:
    machine = scheduler(slots=4, reserved=4)
    machine.add(item(1))
    machine.add(sequence(2, LABEL, length=20))
    read = {s.id: len(row.tokens) for s, row in _planned(machine)}
    assert read == {1: 4, 2: 20}


def test_long_chats_take_no_slot_from_long_labels() -> None:
    machine = scheduler(slots=6, reserved=2)
    for number in range(3):
        machine.add(sequence(number, WRITE, length=500))
    machine.schedule()
    machine.add(sequence(9, LABEL, length=500))
    machine.schedule()
    assert 9 in [each.id for each in machine.running]


def test_beside_a_short_label_long_prompts_read_a_part_however_much_would_fit() -> None:
    machine = scheduler(slots=4, reserved=2)
    machine.add(sequence(1, WRITE, length=600))
    machine.add(sequence(2, LABEL, length=600))
    read = {s.id: len(row.tokens) for s, row in _planned(machine)}
    # Nobody else is there: all of the 64, half of it for each kind.
    assert read == {2: 32, 1: 32}
    machine.add(sequence(3, LABEL, length=10))
    read = {s.id: len(row.tokens) for s, row in _planned(machine)}
    assert read == {3: 10, 2: 8, 1: 8}


def _planned(machine: Scheduler) -> list[tuple[Sequence, Row]]:
    batch = machine.schedule()
    return list(zip(machine.planned(batch), batch.rows, strict=True))


def test_long_labels_leave_half_of_a_step_where_short_ones_came_lately() -> None:
    machine = scheduler(slots=4, reserved=4)
    machine.add(sequence(1, LABEL, length=10))
    machine.schedule()
    machine.remove(machine.running[0])
    machine.add(sequence(2, LABEL, length=600))
    read = [[len(row.tokens) for _, row in _planned(machine)] for _ in range(20)]
    assert read[0] == [32]
    # Nobody has come for a while: all of it.
    assert read[-1] == [64]


def test_long_chats_are_read_however_many_long_labels_there_are() -> None:
    machine = scheduler(slots=6, reserved=3)
    for number in range(6):
        machine.add(sequence(number, LABEL, length=600))
    machine.add(sequence(9, WRITE, length=600))
    assert {s.id: len(row.tokens) for s, row in _planned(machine)} == {0: 32, 9: 32}
    machine.add(sequence(10, LABEL, length=10))
    assert {s.id: len(row.tokens) for s, row in _planned(machine)} == {10: 10, 0: 8, 9: 8}


def test_a_long_label_alone_goes_through_the_smallest_engine() -> None:
    machine = scheduler(slots=2, reserved=1)
    machine.add(sequence(1, LABEL, length=500))
    machine.schedule()
    assert [each.id for each in machine.running] == [1]
    machine.discard(machine.running[0])
    assert machine.slots.free == 2


def test_the_label_that_came_first_ends_however_many_short_ones_come() -> None:
    machine = scheduler(slots=6, reserved=6)
    machine.add(sequence(0, LABEL, length=200))
    for step in range(20):
        for number in range(4):
            machine.add(sequence(100 * step + number + 1, LABEL, length=40))
        batch = machine.schedule()
        for each, row in zip(machine.planned(batch), batch.rows, strict=True):
            each.computed += len(row.tokens)
            if not each.pending:
                machine.remove(each)
        if 0 not in [each.id for each in machine.running]:
            break
    assert step == 12


def test_a_running_reply_gets_its_token_whatever_else_is_read() -> None:
    machine = scheduler()
    talking = sequence(1, WRITE)
    machine.add(talking)
    machine.schedule()
    talking.computed = 4
    talking.tokens.append(77)
    machine.add(sequence(2, LABEL, length=150))

    batch = machine.schedule()

    by_id = {s.id: row for s, row in zip(machine.planned(batch), batch.rows, strict=True)}
    assert by_id[1].tokens == (77,)
    assert by_id[1].written == (77,)
    assert len(by_id[2].tokens) == 32


def test_a_long_prompt_is_read_in_chunks_and_aims_at_its_end() -> None:
    machine = scheduler()
    reading = sequence(1, WRITE, length=100)
    machine.add(reading)

    first = machine.schedule().rows[0]
    reading.computed += len(first.tokens)
    second = machine.schedule().rows[0]

    assert (0, tuple(range(64)), None) == (first.start, first.tokens, first.aim)
    assert (64, tuple(range(64, 100)), WRITE) == (second.start, second.tokens, second.aim)


def test_what_is_removed_frees_its_slot_or_its_place() -> None:
    machine = scheduler(slots=2, reserved=0)
    all_three = [sequence(number, WRITE) for number in range(3)]
    for one in all_three:
        machine.add(one)
    machine.schedule()

    machine.remove(all_three[2])
    machine.remove(all_three[0])

    assert repr(machine) == "<Scheduler 1 running, 0 waiting>"
    assert machine.slots.free == 1
    assert [all_three[1]] == machine.running


def test_a_kept_prefix_is_recalled_and_not_computed() -> None:
    machine = scheduler()
    kept, _ = machine.prefixes.keep([0, 1, 2])
    machine.add(sequence(1, LABEL, length=5))

    batch = machine.schedule()

    assert kept is not None
    assert (Recall(kept.id, 2),) == batch.recalls
    assert (batch.rows[0].start, batch.rows[0].tokens) == (3, (3, 4))
    assert machine.running[0].usage.cached_tokens == 3


def test_keeping_a_prefix_wants_nothing_of_its_last_token() -> None:
    machine = scheduler()
    machine.add(sequence(1, Keep()))

    assert None is machine.schedule().rows[0].aim


def test_nothing_to_do_is_an_empty_batch() -> None:
    assert scheduler().schedule().rows == ()


def test_the_next_turn_finds_its_past_in_the_slot_and_computes_the_rest() -> None:
    machine = scheduler()
    first = sequence(1, WRITE, length=12)
    machine.add(first)
    machine.schedule()
    first.computed = 12
    machine.remove(first)

    machine.add(sequence(2, WRITE, length=15))
    batch = machine.schedule()

    assert batch.recalls == ()
    assert (batch.rows[0].start, batch.rows[0].tokens) == (12, (12, 13, 14))
    assert machine.running[0].usage.cached_tokens == 12


def test_a_slot_whose_keys_are_not_to_be_trusted_remembers_nothing() -> None:
    machine = scheduler()
    first = sequence(1, WRITE, length=12)
    machine.add(first)
    machine.schedule()
    first.computed = 12
    machine.discard(first)

    machine.add(sequence(2, WRITE, length=15))

    assert machine.schedule().rows[0].start == 0


def test_a_prefix_that_was_never_copied_is_not_remembered() -> None:
    """The sequence ends between the plan to copy and the step that would have copied."""
    machine = scheduler(slots=1, reserved=0)
    machine.prefixes.keep([0, 1, 2, 3])
    held = sequence(1, WRITE, length=3)
    machine.add(held)
    machine.schedule()
    machine.go_on(held, list(range(8)))
    machine.remove(held)

    machine.prefixes.keep([9])
    machine.add(sequence(2, WRITE, length=4))
    batch = machine.schedule()

    assert (batch.recalls, batch.rows[0].start) == ((), 0)
