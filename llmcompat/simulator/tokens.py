"""A plain, deterministic tokenizer: it counts what the simulator bills and cuts where a token limit cuts."""

import re
from collections.abc import Sequence

# Every character belongs to exactly one piece, so that joining the pieces gives the text again.
_PIECE = re.compile(r" ?[A-Za-z0-9]{1,6}|\s|[^\sA-Za-z0-9]")

IMAGE_TOKENS = 85
"""What one image costs, whatever its size: the price of OpenAI's low-detail mode."""

_CL100K_TEXT = {
    15339: "hello",
    1917: " world",
    9906: "Hello",
    0: "!",
    11: ",",
    13: ".",
    1296: "test",
    1985: " test",
}


def split(text: str) -> list[str]:
    """Cut a text into tokens of at most six letters; joined again they are the text."""
    return _PIECE.findall(text)


def count(text: str) -> int:
    """Number of tokens of a text."""
    return len(_PIECE.findall(text))


def decode(ids: Sequence[int]) -> str:
    """Text of token ids of cl100k_base; an id beyond the few known ones becomes a word of its own."""
    return "".join(_CL100K_TEXT.get(number, f" t{number}") for number in ids)
