import gc

from tidegate.balancer.garbage import YOUNG, spare_calls


def test_what_is_loaded_is_never_looked_through_again_and_new_cycles_are():
    before = gc.get_threshold()
    try:
        spare_calls()
        assert gc.get_freeze_count() > YOUNG
        assert gc.get_threshold() == (YOUNG, *before[1:])
        assert gc.isenabled()
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
