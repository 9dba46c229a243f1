"""A tokenizer of any size without a download: bytes, Chinese characters, and words to fill up.

Text becomes one token a Chinese character, and every id has a text of its own, so that a
random model's replies can be decoded as a real one's are. Knows nothing of models.
"""

import json
from pathlib import Path

from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE

SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
# Punctuation, ideographs and full-width forms: each three bytes long.
_RANGES = ((0x3001, 0x3003), (0x4E00, 0xA000), (0xFF01, 0xFF5F))


def write_tokenizer(folder: Path, size: int) -> None:
    """Write `tokenizer.json` and `tokenizer_config.json` with exactly `size` tokens.

    The special tokens are the last ids, as in Qwen's own. `size` must be above 22,000.
    """
    tokens = sorted(pre_tokenizers.ByteLevel.alphabet())
    characters = [_byte_letters(chr(code)) for span in _RANGES for code in range(*span)]
    beginnings = sorted({letters[:2] for letters in characters})
    merges = [(pair[0], pair[1]) for pair in beginnings]
    merges += [(letters[:2], letters[2]) for letters in characters]
    tokens += beginnings + characters
    tokens += [f"w{number}" for number in range(len(tokens), size - len(SPECIALS))]
    tokenizer = Tokenizer(BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIALS))
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": SPECIALS[0]}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")


def _byte_letters(text: str) -> str:
    """Return the letters that byte-level BPE writes for the bytes of `text`."""
    return str(pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(text)[0][0])
