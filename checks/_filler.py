"""Ordinary prose of any length, the same every time, in which hardly a sentence comes twice."""

import random

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_PEOPLE = (
    "the baker",
    "a retired teacher",
    "the younger sister",
    "our neighbour",
    "the station master",
    "a visiting engineer",
    "the librarian",
    "an old friend of the family",
    "the night nurse",
    "a student of history",
    "the carpenter",
    "the mayor's assistant",
    "one of the drivers",
    "the woman from the market",
)
_PLACES = (
    "near the town hall",
    "behind the school",
    "at the corner of Mill Street",
    "on the second floor",
    "by the old bridge",
    "in the waiting room",
    "outside the post office",
    "across the square",
    "in the kitchen",
    "along the northern road",
    "beside the railway",
    "under the big clock",
)
_DEEDS = (
    "repaired a wooden chair",
    "carried {n} boxes of paper upstairs",
    "measured the windows for new curtains",
    "bought {n} loaves of bread",
    "painted the door in a pale colour",
    "waited {n} minutes for the bus",
    "planted onions and beans",
    "talked about the weather for {n} minutes",
    "found a torn map of the district",
    "cleaned the lamps and the shelves",
    "counted the visitors and came to {n}",
    "cooked soup for {n} guests",
    "borrowed a bicycle with a broken bell",
    "sorted the letters of the whole week",
    "mended {n} shirts before supper",
    "listened to a long concert on the radio",
)
_ENDINGS = (
    "because the rain had stopped",
    "although nobody had asked for it",
    "while the others were still asleep",
    "before the shops closed",
    "and was quite pleased with the result",
    "without telling anyone at first",
    "as had been agreed in spring",
    "and came home late in the evening",
    "since the price was lower than expected",
    "so that everything was done by noon",
    "even though the road was closed",
    "and the dog followed all the way",
)


def prose(characters: int, seed: int = 0) -> str:
    """About so many characters of paragraphs; the same for the same seed. It speaks of no code words."""
    chance = random.Random(seed)
    paragraphs: list[str] = []
    sentences: list[str] = []
    length = 0
    while length < characters:
        sentence = _sentence(chance)
        sentences.append(sentence)
        length += len(sentence) + 1
        if len(sentences) == 6:
            paragraphs.append(" ".join(sentences))
            sentences = []
    return "\n\n".join([*paragraphs, " ".join(sentences)] if sentences else paragraphs)


def _sentence(chance: random.Random) -> str:
    who, where, ending = chance.choice(_PEOPLE), chance.choice(_PLACES), chance.choice(_ENDINGS)
    deed = chance.choice(_DEEDS).format(n=chance.randint(3, 90))
    match chance.randrange(3):
        case 0:
            return f"On {chance.choice(_DAYS)} {who} {deed} {where}, {ending}."
        case 1:
            return f"{who[0].upper()}{who[1:]} {deed} {where} {ending}."
        case _:
            return f"In {chance.randint(1901, 2019)}, {where}, {who} {deed} {ending}."
