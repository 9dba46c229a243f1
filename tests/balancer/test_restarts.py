from tidegate.balancer.restarts import Restarts


def test_short_lives_are_followed_by_ever_longer_pauses_up_to_a_limit():
    restarts = Restarts()
    assert [restarts.pause_s(0.1) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]


def test_a_long_life_is_followed_by_the_first_pause_again():
    restarts = Restarts()
    assert [restarts.pause_s(lived_s) for lived_s in (1, 1, 60, 1)] == [1, 2, 1, 2]
