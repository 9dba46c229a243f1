from tidegate.balancer.core.eject import Ejection


def fresh() -> Ejection:
    return Ejection(eject_after=3, eject_s=5.0, eject_max_s=60.0)


def eject(ejection: Ejection, now: float) -> None:
    assert [ejection.fail(now) for _ in range(3)] == [False, False, True]


def test_three_failures_in_a_row_put_an_instance_out_for_five_seconds():
    ejection = fresh()
    eject(ejection, now=10.0)

    assert ejection.is_out(14.9)
    assert not ejection.is_out(15.0)
    assert ejection.is_on_probation(15.0)
    assert not ejection.is_on_probation(14.9)


def test_a_success_in_between_forgives_the_failures():
    ejection = fresh()
    ejection.fail(1.0)
    ejection.fail(2.0)
    assert not ejection.succeed()
    assert not ejection.fail(3.0)


def test_failures_of_calls_sent_before_change_nothing():
    ejection = fresh()
    eject(ejection, now=0.0)
    assert not ejection.fail(1.0)
    assert ejection.out_until_s == 5.0


def test_every_failed_probe_doubles_the_time_up_to_a_minute():
    ejection = fresh()
    eject(ejection, now=0.0)
    lengths = []
    for _ in range(5):
        now = ejection.out_until_s
        assert ejection.fail(now)
        lengths.append(ejection.out_until_s - now)
    assert lengths == [10.0, 20.0, 40.0, 60.0, 60.0]


def test_a_probe_that_gets_through_brings_it_back_with_a_clean_record():
    ejection = fresh()
    eject(ejection, now=0.0)
    assert ejection.succeed()
    assert not ejection.is_out(1.0)
    eject(ejection, now=2.0)
    assert ejection.out_until_s == 7.0
