"""Tokens, and the file that holds their hashes."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.identities import line_of

from tidegate.identity.problem import IdentityError
from tidegate.identity.tokens import PREFIX, TokenLine, Tokens, Unknown, new_token, read_lines

NOW = datetime(2027, 1, 31, tzinfo=timezone.utc)


def tokens(text: str) -> Tokens:
    return Tokens(read_lines("tokens", text))


def test_a_token_is_its_holders_until_it_expires() -> None:
    it = tokens(line_of("tickets", "a") + line_of("ops", "b", "expires=2027-01-31T12:00:00+01:00"))
    assert it.holder("a", NOW) == "tickets"
    assert it.holder("b", NOW) == "ops"
    assert it.holder("b", NOW + timedelta(hours=10, minutes=59)) == "ops"
    assert it.holder("b", NOW + timedelta(hours=11)) is Unknown.EXPIRED
    assert it.holder("c", NOW) is Unknown.WRONG
    assert it.holder("", NOW) is Unknown.WRONG


def test_a_date_alone_is_its_first_moment_in_utc() -> None:
    (line,) = read_lines("tokens", line_of("ops", "b", "expires=2027-01-31"))
    assert line.expires == NOW


def test_a_caller_may_have_several_tokens() -> None:
    it = tokens(line_of("tickets", "old") + "# the new one\n\n" + line_of("tickets", "new"))
    assert it.holder("old", NOW) == it.holder("new", NOW) == "tickets"


def test_a_new_token_is_long_and_unlike_any_other() -> None:
    made = {new_token() for _ in range(100)}
    assert len(made) == 100
    assert all(each.startswith(PREFIX) and len(each) == len(PREFIX) + 43 for each in made)


@given(token=st.text(), lasts_s=st.none() | st.integers(0, 10**10))
def test_a_line_is_read_as_it_was_written_and_holds_no_token(token, lasts_s) -> None:
    expires = None if lasts_s is None else NOW + timedelta(seconds=lasts_s)
    line = TokenLine.of("tickets", token, expires)
    assert read_lines("tokens", f"{line}\n") == [line]
    assert Tokens([line]).holder(token, NOW - timedelta(seconds=1)) == "tickets"
    assert len(token) < 20 or token not in repr(line) + str(line)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("s3cret", "line 1 holds no hash"),
        ("=s3cret", "line 1 begins with no caller's name"),
        ("# ops\nops s3cret", "line 2 holds no hash"),
        ("ops sha256:s3cret", "line 1 holds no hash"),
        (line_of("ops", "x", "until=s3cret"), "says something beside name and hash of ops"),
        (line_of("ops", "x", "expires=s3cret"), "expires=2027-01-31 or"),
        (line_of("ops", "x", "expires=2027-01-31 s3cret"), "says something beside"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_and_its_secret_is_not_quoted(text, said) -> None:
    with pytest.raises(IdentityError, match=r"^tokens: line") as caught:
        read_lines("tokens", text)
    assert said in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "-a", "客", "a/b", "x" * 64])
def test_a_name_that_no_caller_may_have_gets_no_token(name) -> None:
    with pytest.raises(IdentityError, match="is accepted for no caller"):
        TokenLine.of(name, "x")


def test_the_page_says_how_a_line_is_written() -> None:
    page = (Path(__file__).parents[2] / "docs" / "identity.md").read_text("utf-8")
    assert "`NAME sha256:HASH`" in page
