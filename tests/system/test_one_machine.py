"""What a newcomer does in the first minutes, against the bundled model."""

import json
import re
from pathlib import Path

import pytest
from support.programs import free_port, run, running
from support.service import Service

URGENCY = """
kind = "classify"
format = "base"
system_prompt = "判断工单的紧急程度。"
labels = ["紧急", "普通"]

[template]
user = "工单：{text}\\n"
label = "程度：{text}\\n\\n"

[[examples]]
text = "所有门店都停了！"
label = "紧急"

[[examples]]
text = "想问一下发票抬头怎么改。"
label = "普通"
"""
REVIEWS = Path(__file__).parent / "reviews.tsv"


def test_a_good_review_is_positive(service: Service) -> None:
    assert service.tidegate("classify", "今天的实验终于成功了，太棒了！").startswith("正面")


def test_a_bad_review_is_negative(service: Service) -> None:
    assert service.tidegate("classify", "太差了，再也不会来了").startswith("负面")


def test_judge_shows_the_label_before_the_first_word(service: Service) -> None:
    first, *reply = service.tidegate("judge", "今天的实验终于成功了，太棒了！").splitlines()

    assert first.startswith("正面")
    assert "".join(reply).strip()


@pytest.mark.parametrize("text", ["你好", "今天天气真好", "我的快递还没到，怎么办？"])
def test_chat_answers_in_chinese(service: Service, text: str) -> None:
    answer = service.tidegate("chat", text)

    assert re.search(r"[\u4e00-\u9fff]", answer), answer


@pytest.mark.timeout(900)
def test_everyday_reviews_are_labelled_well_and_alike_every_time(service: Service) -> None:
    """At least three of four correct, and the same label in a second pass, over the bulk stream."""
    expected, texts = zip(
        *(line.split("\t") for line in REVIEWS.read_text("utf-8").splitlines()), strict=True
    )
    first, second = (
        [
            json.loads(line)["label"]
            for line in service.tidegate(
                "classify", "--json", "-", stdin="\n".join(texts)
            ).splitlines()
        ]
        for _ in range(2)
    )

    correct = sum(label == wanted for label, wanted in zip(first, expected, strict=True))
    assert first == second
    assert correct >= 0.75 * len(texts), f"{correct} of {len(texts)}"


def test_status_shows_the_instance_and_counts_every_call(service: Service) -> None:
    service.tidegate("classify", "味道不错")

    status = json.loads(service.tidegate("status", "--json"))

    assert [(one["phase"].lower(), one["role"].lower()) for one in status["instances"]] == [
        ("hot", "both")
    ]
    counts = next(lane["counts"] for lane in status["lanes"] if lane["lane"] == "sentiment")
    ends = ("full", "degraded", "shed", "expired", "cancelled", "failed")
    assert counts["full"] > 0
    assert counts["offered"] == sum(counts[end] for end in ends)


def test_blank_text_is_refused_naming_the_field(service: Service) -> None:
    ended = run("tidegate", "classify", " ", TIDEGATE_ADDRESS=service.address)

    assert ended.returncode == 2
    assert "text" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_unknown_profile_is_refused_naming_those_that_exist(service: Service) -> None:
    ended = run("tidegate", "classify", "-p", "nope", "好", TIDEGATE_ADDRESS=service.address)

    assert ended.returncode == 2
    assert "nope" in ended.stderr
    assert "sentiment" in ended.stderr


def test_long_input_is_cut_and_says_so(service: Service) -> None:
    answer = json.loads(service.tidegate("classify", "--json", "味道很好，下次还会再来。" * 100))

    assert answer["truncated"]
    assert answer["label"] == "正面"


def test_a_changed_profile_counts_from_the_next_answer(model_cache: Path, tmp_path: Path) -> None:
    """Another label the moment the file is saved; a broken file is refused, the old one stays."""
    folder = tmp_path / "profiles"
    folder.mkdir()
    urgency = folder / "urgency.toml"
    urgency.write_text(URGENCY, "utf-8")
    port = free_port()
    arguments = ["tidegate-server", "--model", "bundled", "--cache-dir", str(model_cache)]
    arguments += ["--consul", "off", "--port", str(port), "--profiles", str(folder)]
    with running(arguments, tmp_path / "log") as server:
        server.wait_for("hot", 600)
        service = Service(port, server)

        def ask() -> dict[str, str]:
            answer: dict[str, str] = json.loads(
                service.tidegate("classify", "--json", "-p", "urgency", "系统打不开了，快来人！")
            )
            return answer

        first = ask()
        urgency.write_text(URGENCY.replace('"紧急"', '"马上"'), "utf-8")
        second = ask()
        urgency.write_text("kind = ", "utf-8")
        third = ask()

        assert {first["label"], second["label"]} <= {"紧急", "马上", "普通"}
        assert first["profile_version"] != second["profile_version"]
        assert (third["label"], third["profile_version"]) == (
            second["label"],
            second["profile_version"],
        )
        assert "urgency.toml" in server.output
