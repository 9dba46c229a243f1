from __future__ import annotations

import asyncio
import json

import grpc
import pytest
from support.gateway import Web, asking, running_gateway
from support.programs import free_port
from support.scripted_service import Refusal, Service, shed

from tidegate.clients.web.limits import Limits


async def test_the_label_comes_first_then_the_words_then_the_end(web: Web) -> None:
    events = await web.judged(asking())
    assert [name for name, _ in events] == ["sentiment", "delta", "delta", "end"]
    label, *deltas, end = (fields for _, fields in events)
    assert (label["label"], round(label["confidence"], 2)) == ("正面", 0.98)
    assert "".join(delta["text"] for delta in deltas) == "你好，世界"
    assert end["usage"] == {"prompt_tokens": 30, "cached_tokens": 20, "completion_tokens": 2}
    assert (end["finish_reason"], end["degraded"], end["served_by"]) == ("stop", False, "")


async def test_a_label_is_sent_on_before_the_reply_is_there(web: Web, service: Service) -> None:
    async with web.judge(asking("hang")) as answer:
        events = answer.events()
        assert (await asyncio.wait_for(anext(events), 10))[0] == "sentiment"
        assert not service.cancelled.is_set()


async def test_the_call_carries_what_the_page_said(web: Web, service: Service) -> None:
    turns = [
        {"role": "user", "content": "一"},
        {"role": "assistant", "content": "二"},
        {"role": "user", "content": "三"},
    ]
    wishes = {"conversation": "abc", "deadline_s": 7, "accept_degraded": False, "attempt": 2}
    async with web.judge(json.dumps({"turns": turns, **wishes}).encode()) as answer:
        call_id = answer.headers["x-request-id"]
        await answer.body()
    (seen,) = service.seen
    assert [(turn.role, turn.content) for turn in seen.request.turns] == [
        tuple(turn.values()) for turn in turns
    ]
    assert seen.left_s is not None
    # gRPC rounds the time up a little where it tells it.
    assert 4 < seen.left_s < 7.1
    assert seen.metadata["tidegate-conversation"] == "abc"
    assert seen.metadata["tidegate-accept-degraded"] == "false"
    assert seen.metadata["tidegate-caller"] == "web@127.0.0.1"
    assert seen.metadata["tidegate-previous-attempts"] == "2"
    assert seen.metadata["x-request-id"] == call_id


async def test_a_first_try_is_not_told_as_a_retry(web: Web, service: Service) -> None:
    await web.judged(asking())
    assert not [key for key in service.seen[0].metadata if "attempts" in key]


async def test_the_page_is_told_of_a_warm_up(web: Web, service: Service) -> None:
    service.warming_ms = 8_200
    events = await web.judged(asking())
    assert events[0] == ("warming", {"expected_s": 8.2})
    assert events[1][0] == "sentiment"


async def test_no_page_gets_more_time_than_the_longest(web: Web, service: Service) -> None:
    await web.judged(asking(deadline_s=1e9))
    assert service.seen[0].left_s is not None
    # gRPC rounds up what is left on the way.
    assert service.seen[0].left_s <= Limits().longest_deadline_s + 0.5


async def test_a_browser_that_hangs_up_cancels_the_call(web: Web, service: Service) -> None:
    async with web.judge(asking("hang")) as answer:
        await anext(answer.events())
        await asyncio.wait_for(service.hanging.wait(), 10)
        await answer.hang_up()
        await asyncio.wait_for(service.cancelled.wait(), 5)


async def test_a_refusal_is_an_event_with_reason_hint_and_id(web: Web, service: Service) -> None:
    service.refusals.append(shed(4200))
    async with web.judge(asking()) as answer:
        ((name, fields),) = [event async for event in answer.events()]
        assert fields["id"] == answer.headers["x-request-id"]
    assert name == "error"
    assert (fields["kind"], fields["reason"], fields["code"]) == (
        "overloaded",
        "QUEUE_FULL",
        "RESOURCE_EXHAUSTED",
    )
    assert (fields["retry_after_s"], fields["retry_forbidden"]) == (4.2, False)
    assert fields["details"] == {"lane": "chat", "queue_depth": "9"}


async def test_the_gateway_tries_nothing_again_by_itself(web: Web, service: Service) -> None:
    service.refusals.append(shed(1))
    await web.judged(asking())
    assert len(service.seen) == 1


async def test_a_stream_that_breaks_ends_with_an_error_after_what_came(
    web: Web, service: Service
) -> None:
    service.refuse_after_first = Refusal(grpc.StatusCode.UNAVAILABLE, "the instance was lost")
    events = await web.judged(asking())
    assert [name for name, _ in events] == ["sentiment", "delta", "error"]
    assert events[-1][1]["message"] == "the instance was lost"


async def test_a_stream_without_its_end_is_an_error(web: Web, service: Service) -> None:
    service.leave_out_end = True
    name, fields = (await web.judged(asking()))[-1]
    assert (name, fields["kind"], fields["reason"]) == ("error", "failed", "BROKEN_STREAM")


async def test_of_several_balancers_the_one_that_is_there_answers(service: Service) -> None:
    async with running_gateway(f"127.0.0.1:{free_port()},{service.address}") as web:
        events = await web.judged(asking())
    assert events[-1][0] == "end"


async def test_nobody_at_the_balancers_address_is_told_as_away() -> None:
    async with running_gateway("127.0.0.1:1") as web:
        ((name, fields),) = await web.judged(asking(deadline_s=5))
        assert (name, fields["kind"]) == ("error", "away")
        async with web.call("GET", "/api/fleet") as answer:
            ((name, fields),) = [event async for event in answer.events()]
        assert (name, fields["kind"]) == ("error", "away")


async def test_the_fleet_is_told_as_it_changes(web: Web) -> None:
    async with web.call("GET", "/api/fleet") as answer:
        events = [fields async for _, fields in answer.events()]
    assert [each["instances"][0]["phase"] for each in events] == ["warming", "warming", "hot"]
    last = events[-1]
    assert last["lanes"][0]["wait_s"] == 1.5
    assert last["lanes"][0]["counts"]["offered"] == 9
    assert last["lanes"][0]["shed_by_reason"] == {"QUEUE_FULL": 1}
    assert last["scales"] == []


async def test_what_is_allowed_is_told(web: Web, service: Service) -> None:
    async with web.call("GET", "/api/about") as answer:
        about = await answer.json()
    assert about["balancer"] == service.address
    assert about["characters"] == 32_768


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "body: "),
        (b"{", "body: "),
        (b'{"turns": []}', "turns: "),
        (b'{"turns": [{"role": "system", "content": "secret"}]}', "turns.0.role: "),
        (b'{"turns": [{"role": "user", "content": ""}]}', "turns.0.content: "),
        (b'{"turns": [{"role": "user", "content": 5}]}', "turns.0.content: "),
        (asking("secret", deadline_s=-1), "deadline_s: "),
        (asking("secret", deadline_s="soon"), "deadline_s: "),
        (asking("secret", attempt=-1), "attempt: "),
        (asking("secret", conversation="x" * 65), "conversation: "),
        (asking("secret", profile="other"), "profile: "),
        (asking("字" * 33_000), "turns: 33000 characters are more than 32768"),
        (b'{"turns": [{"role": "user", "content": "\\ud800"}]}', "body: "),
        (b"\xff\xfe", "body: "),
    ],
)
async def test_what_is_out_of_bounds_is_refused_naming_the_field_and_not_quoting_the_text(
    web: Web, service: Service, body: bytes, said: str
) -> None:
    async with web.judge(body) as answer:
        fields = await answer.json()
        assert answer.status == 400
    assert fields["message"].startswith(said)
    assert "secret" not in fields["message"]
    assert (fields["kind"], fields["retry_forbidden"]) == ("invalid", True)
    assert service.seen == []


async def test_a_body_longer_than_any_call_is_not_read_to_its_end(
    web: Web, service: Service
) -> None:
    async with web.judge(asking("x" * 1_000_000)) as answer:
        assert answer.status == 413
        assert (await answer.json())["reason"] == "TOO_LARGE"
    assert service.seen == []


async def test_too_many_turns_are_refused(service: Service) -> None:
    async with running_gateway(service.address, limits=Limits(turns=1)) as web:
        turn = {"role": "user", "content": "x"}
        async with web.judge(json.dumps({"turns": [turn, turn]}).encode()) as answer:
            assert answer.status == 400
            assert (await answer.json())["message"] == "turns: 2 are more than 1"


async def test_a_fault_of_ours_is_an_error_with_an_id_and_a_line_without_the_text(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("secret")

    monkeypatch.setattr("tidegate.clients.web.balancer.label_event", broken)
    ((name, fields),) = await web.judged(asking("secret"))
    assert (name, fields["code"]) == ("error", "INTERNAL")
    assert web.said == [f"call {fields['id']} failed in the gateway: ValueError"]


async def test_every_answer_tells_browsers_to_be_strict(web: Web) -> None:
    for method, path in (
        ("GET", "/"),
        ("GET", "/page/app.js"),
        ("GET", "/nowhere"),
        ("GET", "/api/about"),
    ):
        async with web.call(method, path) as answer:
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_file_that_the_browser_has_is_not_sent_again(web: Web) -> None:
    async with web.call("GET", "/page/app.js") as answer:
        tag = answer.headers["etag"]
        assert answer.headers["content-type"].startswith("text/javascript")
        assert await answer.body()
    async with web.call("GET", "/page/app.js", {"if-none-match": tag}) as answer:
        assert (answer.status, await answer.body()) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/page/../gateway.py", "/page/%2e%2e%2fgateway.py", "/page/", "/page/x"]
)
async def test_nothing_but_the_pages_files_is_served(web: Web, path: str) -> None:
    async with web.call("GET", path) as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ({"host": "evil.example"}, 403, "HOST"),
        ({"host": "127.0.0.1.evil.example:80"}, 403, "HOST"),
        ({"origin": "https://evil.example"}, 403, "ORIGIN"),
        ({"origin": "null"}, 403, "ORIGIN"),
        ({"sec-fetch-site": "cross-site"}, 403, "ORIGIN"),
        ({"content-type": "text/plain"}, 415, "CONTENT_TYPE"),
        ({"content-type": "application/x-www-form-urlencoded"}, 415, "CONTENT_TYPE"),
    ],
)
async def test_another_sites_page_can_ask_for_nothing(
    web: Web, service: Service, headers: dict[str, str], status: int, reason: str
) -> None:
    async with web.judge(asking(), headers) as answer:
        assert answer.status == status
        assert (await answer.json())["reason"] == reason
    assert service.seen == []


async def test_a_name_that_was_allowed_is_served(service: Service) -> None:
    async with running_gateway(service.address, names=("Tide.Example",)) as web:
        headers = {"host": "tide.example", "origin": "https://tide.example"}
        async with web.judge(asking(), headers) as answer:
            assert answer.status == 200
