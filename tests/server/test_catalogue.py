"""Callers can see which profiles they may name."""

from support.served import serve

from tidegate.v1.profile_pb2 import ListProfilesRequest

SHOP = 'kind = "classify"\nformat = "chatml"\ndescription = "of a shop"\nlabels = ["好", "差"]\n'


async def test_each_service_tells_the_profiles_of_its_kind(tmp_path):
    async with serve(profiles=tmp_path) as it:
        labels = await it.sentiment.ListProfiles(ListProfilesRequest())
        chats = await it.chat.ListProfiles(ListProfilesRequest())
    assert [(each.name, each.is_default) for each in labels.profiles] == [("sentiment", True)]
    assert list(labels.profiles[0].labels) == ["正面", "负面"]
    assert {each.kind for each in chats.profiles} == {"chat"}
    assert {each.name: each.is_default for each in chats.profiles} == {"chat": True, "review": True}


async def test_a_file_that_was_just_saved_is_in_the_next_listing(tmp_path):
    async with serve(profiles=tmp_path) as it:
        (tmp_path / "shop.toml").write_text(SHOP, "utf-8")
        (shop,) = (
            each
            for each in (await it.sentiment.ListProfiles(ListProfilesRequest())).profiles
            if each.name == "shop"
        )
    assert (shop.description, list(shop.labels), shop.is_default) == (
        "of a shop",
        ["好", "差"],
        False,
    )
    assert len(shop.version) == 12
