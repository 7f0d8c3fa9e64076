"""Output style: how long answers are, whether they carry Markdown, and in which language they come."""

import re
import statistics
import unicodedata
from collections import Counter

from llmcompat import Replies, check, judged, measure, note

from ._answers import text_of

_MARKDOWN = {
    "headings": re.compile(r"^#{1,6} ", re.MULTILINE),
    "lists": re.compile(r"^\s*(?:[-*+]|\d+[.)]) ", re.MULTILINE),
    "bold": re.compile(r"\*\*[^*\n]+\*\*|__[^_\n]+__"),
    "code": re.compile(r"`[^`\n]+`|^```", re.MULTILINE),
    "tables": re.compile(r"^\|.+\|\s*$", re.MULTILINE),
}
_COMMON_WORDS = (
    "the a an and or to of in is are it you your that this with for on as be can if not from by at will"
)
_ENGLISH = frozenset(_COMMON_WORDS.split())
_ENGLISH_SHARE = 0.12
"""Share of very common words above which a text in Latin letters is taken for English; prose has 30 to 50
%.
"""


def markdown_in(text: str) -> list[str]:
    """The kinds of Markdown that a text uses."""
    return [name for name, pattern in _MARKDOWN.items() if pattern.search(text)]


def language_of(text: str) -> str:
    """English, or the script where it is not; a guess by letters and common words."""
    letters = [character for character in text if character.isalpha()]
    if not letters:
        return "no letters"
    scripts = Counter(unicodedata.name(character, "unknown").split()[0].capitalize() for character in letters)
    script, count = scripts.most_common(1)[0]
    if script != "Latin" and count > len(letters) / 2:
        return f"{script} script"
    words = re.findall(r"[a-z']+", text.casefold())
    share = sum(word in _ENGLISH for word in words) / len(words) if words else 0.0
    return "English" if share >= _ENGLISH_SHARE else "Latin script, not English"


@check(
    "output-style",
    fix="Say length, format and language in the system message where the product depends on them.",
    chat="should",
    agent="should",
    kind="behaviour",
)
def output_style(ordinary_questions: Replies) -> None:
    """How answers look.

    Length, Markdown and language change from model to model; a page that shows plain text shows users the
    asterisks.
    """
    answered = judged(
        (reply for reply in ordinary_questions.values() if reply.answered), nothing="harmless-not-blocked"
    )
    texts = [text for reply in answered if (text := text_of(reply)) and text.strip()]
    if not texts:
        texts = [answered[0].text]
    cut = sum(reply.capped for reply in answered)
    lengths = [len(text.split()) for text in texts]
    measure("words an answer, median", statistics.median(lengths), "words")
    measure("words an answer, longest", max(lengths), "words")
    found = Counter(name for text in texts for name in markdown_in(text))
    used = ", ".join(f"{name} in {count}" for name, count in found.items())
    note(
        f"Markdown in {sum(bool(markdown_in(text)) for text in texts)} of {len(texts)} answers"
        + (f": {used}" if used else "")
    )
    note("asked in English, answered in: " + ", ".join(dict.fromkeys(language_of(text) for text in texts)))
    if cut:
        note(
            f"{cut} of {len(answered)} answers were cut at the cap of {answered[0].cap} tokens: "
            "lengths are lower bounds"
        )
