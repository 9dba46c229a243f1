"""What can be said of the page's files without a browser."""

from __future__ import annotations

import re
from pathlib import Path

from tidegate.clients.web.assets import FOLDER, assets

NAMES = {path.name for path in FOLDER.iterdir()}
TEXT = {name: (FOLDER / name).read_text("utf-8") for name in NAMES}


def test_every_file_is_served_and_every_file_that_is_asked_for_is_there() -> None:
    asked = {
        name for text in TEXT.values() for name in re.findall(r'(?:/page/|from "\./)([\w.]+)', text)
    }
    assert set(assets()) == NAMES
    assert asked == NAMES - {"index.html"}


def test_nothing_comes_from_another_host() -> None:
    addresses = {
        address for text in TEXT.values() for address in re.findall(r"https?://[\w./]+", text)
    }
    assert addresses == {"http://www.w3.org/2000/svg"}


def test_no_file_makes_markup_or_code_of_text() -> None:
    for name, text in TEXT.items():
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text
        ), name
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", TEXT["index.html"])


def test_every_reason_of_the_contract_has_words() -> None:
    contract = (Path(__file__).parents[3] / "docs" / "contract.md").read_text("utf-8")
    reasons = set(re.findall(r"^\| `([A-Z_]+)` \| `[A-Z_]+` \|", contract, re.MULTILINE))
    assert len(reasons) >= 11
    assert reasons <= set(re.findall(r"(\w+): \"", TEXT["words.js"]))


def test_both_languages_say_the_same_things() -> None:
    zh, en = re.findall(r"const (?:zh|en) = \{(.*?)\n\};", TEXT["words.js"], re.DOTALL)

    def said(block: str) -> dict[str, set[str]]:
        pairs = re.findall(r'(\w+): "((?:[^"\\]|\\.)*)"', block)
        return {key: set(re.findall(r"\{\w+\}", words)) for key, words in pairs}

    assert said(zh) == said(en)
    used = {
        key
        for name, text in TEXT.items()
        for key in re.findall(r'data-(?:word|label|placeholder)="(\w+)"|\bt\("(\w+)"', text)
        for key in key
        if key
    }
    assert used <= said(zh).keys()
