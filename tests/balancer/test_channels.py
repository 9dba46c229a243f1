from tidegate.balancer.channels import Channels

PATH = "/tidegate.v1.Chat/Reply"


async def test_a_method_of_an_instance_is_made_once_and_goes_with_the_instance():
    channels = Channels()
    stays, goes = channels.unary("127.0.0.1:1", PATH), channels.unary("127.0.0.1:2", PATH)
    assert (channels.unary("127.0.0.1:1", PATH), channels.unary("127.0.0.1:2", PATH)) == (
        stays,
        goes,
    )
    channels.retain({"127.0.0.1:1"})
    assert channels.unary("127.0.0.1:1", PATH) is stays
    # Over a new channel: the old one is closing.
    assert channels.unary("127.0.0.1:2", PATH) is not goes
    await channels.close()
