"""Which language a text is in, by its script and its commonest words: "unknown" wherever that is not sure."""

from __future__ import annotations

import re
from collections import Counter

UNKNOWN = "unknown"

LEAST_WORDS = 12
"""Words that a text in an alphabet shared by many languages must have."""

_LONGEST = 3_000
"""Characters that are looked at."""

_FENCED = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+", re.DOTALL)
_WORD = re.compile(r"[^\W\d_]+")

# Words that are common in one of these languages and not in the others; those shared by two say little.
_COMMON = {
    "en": "the and of to is are was were that this with for you your it have from not can will which be",
    "de": "der die das und ist nicht ein eine einen mit auf für von dem den sich auch werden sie ihre wir",
    "fr": "le la les des est une et dans pour vous nous pas avec sur qui ce cette du au sont votre plus je",
    "es": "el la los las que es una y por con para su del se al como más pero está son usted este puede",
    "it": "il che di è una per con non sono del della gli nel alla anche questo come più si lo ha dei",
    "pt": "o que de não uma para com os do da em são você está mais como seu sua ao dos das pelo mas",
    "nl": "de het een en van is niet op te met voor zijn aan dat je u ook bij wordt naar deze maar kan",
    "pl": "nie się na jest do to że jak z za po dla przez może są tym oraz ale lub czy który",
    "sv": "och att det som en är på av för med inte den till har om ett kan du från eller vara",
    "tr": "bir ve bu için ile da de çok olarak daha gibi olan kadar ne var değil her sonra en",
}
_WORDS = {language: frozenset(words.split()) for language, words in _COMMON.items()}
_ALONE = {
    language: words - frozenset().union(*(other for name, other in _WORDS.items() if name != language))
    for language, words in _WORDS.items()
}

_SCRIPTS = {
    "ja": re.compile(r"[\u3040-\u30ff]"),
    "ko": re.compile(r"[\uac00-\ud7af]"),
    "zh": re.compile(r"[\u4e00-\u9fff]"),
    "el": re.compile(r"[\u0370-\u03ff]"),
    "he": re.compile(r"[\u0590-\u05ff]"),
    "th": re.compile(r"[\u0e00-\u0e7f]"),
    "cyrillic": re.compile(r"[\u0400-\u04ff]"),
    "arabic": re.compile(r"[\u0600-\u06ff]"),
    "devanagari": re.compile(r"[\u0900-\u097f]"),
}
"""Scripts of one language by its code, the others by their own name, as they serve several."""

KNOWN = frozenset({*_WORDS, "ja", "ko", "zh", "el", "he", "th"})
"""The codes (ISO 639-1) that a guess may be."""


def language(text: str) -> str:
    """The language's code (ISO 639-1), the name of a script that several languages use, or "unknown"."""
    text = _FENCED.sub(" ", text[:_LONGEST])
    letters = sum(char.isalpha() for char in text)
    if letters < 8:
        return UNKNOWN
    found = {name: len(pattern.findall(text)) for name, pattern in _SCRIPTS.items()}
    if found["ja"] > 0.05 * letters and found["ja"] + found["zh"] > 0.6 * letters:
        return "ja"
    for name, number in found.items():
        if name != "ja" and number > 0.6 * letters:
            return name
    words = [word.lower() for word in _WORD.findall(text)]
    if len(words) < LEAST_WORDS:
        return UNKNOWN
    counted = Counter(words)
    scores = {name: sum(counted[word] for word in alone) for name, alone in _ALONE.items()}
    first, second = sorted(scores, key=lambda name: -scores[name])[:2]
    sure = scores[first] >= 3 and scores[first] >= 0.06 * len(words) and scores[first] >= 2.5 * scores[second]
    return first if sure else UNKNOWN
