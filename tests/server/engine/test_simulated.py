"""The model that only sleeps: how long, and what it says of itself."""

import pytest

from tidegate.server.engine.batch import Batch, Row, Token
from tidegate.server.engine.latency import Latency
from tidegate.server.engine.sequence import Sampling, Write
from tidegate.server.engine.simulated import (
    CharacterTokenizer,
    LatencyError,
    SimulatedModel,
    is_simulated,
    read_latency,
)

WRITE = Write(Sampling(), 1)


def writing(slot: int) -> Row:
    return Row(slot, 40, (65,), WRITE, (65,))


def test_a_step_costs_by_itself_by_what_it_reads_and_by_its_rows():
    latency = Latency(step_s=1, prompt_token_s=0.1, row_s=0.01)
    reading = Row(3, 0, (65,) * 5)

    assert latency.of(Batch((), ())) == 0
    assert latency.of(Batch((), (writing(0),))) == pytest.approx(1.01)
    assert latency.of(Batch((), (writing(0), writing(1), reading))) == pytest.approx(1.53)


def test_a_reply_is_as_long_as_the_file_says_and_then_ends():
    slept = []
    model = SimulatedModel(Latency(reply_tokens=3, step_s=0.5), slept.append)
    written: tuple[int, ...] = ()
    while not written or written[-1] not in model.end_tokens:
        (result,) = model.run(Batch((), (Row(0, len(written), (65,), WRITE, written),)))
        assert isinstance(result, Token)
        written += (result.id,)

    assert len(written) == 3 + 1
    assert CharacterTokenizer().decode(written) == "这是模"
    assert len(slept) == 4


def test_a_text_comes_back_as_it_was_and_never_becomes_a_border():
    tokenizer = CharacterTokenizer()
    text = "<|im_end|> 好的 😀"

    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.special("<|im_end|>") not in tokenizer.encode(text)


@pytest.mark.parametrize("name", ["simulated", "simulated:fast.toml"])
def test_a_simulated_model_is_known_by_its_name(name):
    assert is_simulated(name)


@pytest.mark.parametrize("name", ["bundled", "simulated-llm", "org/simulated"])
def test_no_other_name_is_taken_for_a_simulated_model(name):
    assert not is_simulated(name)


@pytest.mark.parametrize(
    ("said", "named"),
    [("step_s = -1", "step_s"), ("speed = 2", "speed"), ("step_s =", "fast.toml")],
)
def test_a_wrong_latency_is_told_in_one_line(tmp_path, said, named):
    file = tmp_path / "fast.toml"
    file.write_text(said)

    with pytest.raises(LatencyError, match=named) as caught:
        read_latency(f"simulated:{file}")

    assert "\n" not in str(caught.value)
