"""Tokens to text: whole characters, and nothing from a stop text on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tiny_models import byte_tokenizer

from tidegate.server.engine.text_stream import TextStream


class ByteTokenizer:
    """One token a byte: the worst case for characters of several bytes."""

    def __init__(self) -> None:
        self._tokenizer = byte_tokenizer()

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text).ids
        return ids

    def special(self, token: str) -> int | None:
        return None

    def decode(self, tokens: list[int]) -> str:
        text: str = self._tokenizer.decode(tokens)
        return text


TOKENIZER = ByteTokenizer()


def stream(text: str, *stop: str) -> list[str]:
    """Return the pieces in which `text` comes out, until it stops."""
    machine = TextStream(TOKENIZER, stop)
    pieces = []
    for token in TOKENIZER.encode(text):
        pieces.append(machine.push(token))
        if machine.is_stopped:
            break
    return [piece for piece in [*pieces, machine.flush()] if piece]


@pytest.mark.parametrize(
    ("text", "stop", "pieces"),
    [
        ("ab", (), ["a", "b"]),
        ("好a", (), ["好", "a"]),
        ("abSTOPcd", ("STOP",), ["a", "b"]),
        ("aSTxb", ("STOP",), ["a", "STx", "b"]),
        ("aST", ("STOP",), ["a", "ST"]),
        ("好\n用户：", ("\n用户：",), ["好"]),
        ("aab!", ("ab",), ["a"]),
        ("xyz", ("z", "yz"), ["x"]),
        ("😀", ("!",), ["😀"]),
    ],
    ids=str,
)
def test_pieces(text: str, stop: tuple[str, ...], pieces: list[str]) -> None:
    assert pieces == stream(text, *stop)


@given(st.text(max_size=40), st.lists(st.text(min_size=1, max_size=4), max_size=3))
def test_the_pieces_are_the_text_up_to_the_first_stop(text: str, stop: list[str]) -> None:
    found = [at for at in (text.find(one) for one in stop) if at >= 0]

    assert text[: min(found, default=len(text))] == "".join(stream(text, *stop))


@given(
    st.lists(st.sampled_from(TOKENIZER.encode("好é")), max_size=9), st.text(min_size=1, max_size=9)
)
def test_text_after_broken_bytes_is_whole_again(broken: list[int], text: str) -> None:
    machine = TextStream(TOKENIZER)

    # A plain character closes what the broken bytes left open.
    tokens = [*broken, *TOKENIZER.encode("." + text)]
    pieces = "".join(machine.push(token) for token in tokens) + machine.flush()

    assert pieces.endswith("." + text)


def test_an_incomplete_character_at_the_end_is_lost_not_shown() -> None:
    machine = TextStream(TOKENIZER)
    first, second, _third = TOKENIZER.encode("好")

    assert machine.push(first) + machine.push(second) + machine.flush() == ""


def test_a_model_that_writes_broken_bytes_is_shown_as_broken() -> None:
    machine = TextStream(TOKENIZER)
    broken = TOKENIZER.encode("好")[0]

    pieces = [machine.push(broken) for _ in range(6)]

    assert "\ufffd" in "".join(pieces)
