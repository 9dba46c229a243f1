import pytest

from tidegate.balancer.core.call import Lane
from tidegate.balancer.core.instance import Phase, Registration, Role
from tidegate.balancer.registration import read_registration


def node(*tags: str, status: str = "passing", address: str = "10.0.0.7", port: int = 50061):
    return {
        "Node": {"Address": "10.0.0.1"},
        "Service": {"ID": "tidegate-x", "Tags": list(tags), "Address": address, "Port": port},
        "Checks": [{"Status": "passing"}, {"Status": status}],
    }


def test_every_tag_is_read():
    slots = ("sentiment-slots=0", "chat-slots=4", "degraded-slots=2")
    tags = ("role=chat", "phase=hot", *slots, "model=m", "version=2", "launched-by=d")
    assert read_registration(node(*tags, "other", "x=y=z")) == Registration(
        id="tidegate-x",
        address="10.0.0.7:50061",
        phase=Phase.HOT,
        role=Role.CHAT,
        slots={Lane.SENTIMENT: 0, Lane.CHAT: 4, Lane.DEGRADED: 2},
        model="m",
        version="2",
        launched_by="d",
    )


@pytest.mark.parametrize("status", ["critical", "warning"])
def test_a_hot_instance_whose_check_does_not_pass_is_not_hot(status):
    assert read_registration(node("phase=hot", status=status)).phase is Phase.WARMING
    assert read_registration(node("phase=draining", status=status)).phase is Phase.DRAINING


def test_the_nodes_address_stands_in_for_a_missing_one_and_ipv6_is_bracketed():
    assert read_registration(node("phase=hot", address="")).address == "10.0.0.1:50061"
    assert read_registration(node("phase=hot", address="::1")).address == "[::1]:50061"


@pytest.mark.parametrize(
    ("tags", "port", "message"),
    [
        ((), 1, "phase='' is not one of warming, hot, draining"),
        (("phase=gone",), 1, "phase='gone' is not one of"),
        (("phase=hot", "role=king"), 1, "role='king' is not one of both, sentiment, chat"),
        (("phase=hot", "chat-slots=-1"), 1, "chat-slots='-1' is not a whole number from 0"),
        (("phase=hot", "chat-slots=99999"), 1, "chat-slots='99999' is not a whole number"),
        (("phase=hot",), 0, "has no port"),
    ],
)
def test_a_mistake_names_the_tag_its_value_and_what_is_accepted(tags, port, message):
    with pytest.raises(ValueError, match=message):
        read_registration(node(*tags, port=port))
