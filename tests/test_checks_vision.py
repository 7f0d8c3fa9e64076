"""Answers about a picture as literals, before the checks that judge them; and the picture itself."""

import base64
from typing import Any

import pytest

from llmcompat.profiles.loader import load_profile
from llmcompat.profiles.schema import Offer
from llmcompat.reply import BUNDLE, Replies, Reply
from llmcompat.simulator import images
from tests.checking import Judgement, answer, attempts, checklist, completion, judge


def ended(judgement: Judgement) -> str | None:
    """How it ended, in one word: the case of a failure, the owner of a block, else the status."""
    return judgement.case or judgement.blocked_by or judgement.status.value


def told(text: str | None, prompt: int | None = 100) -> Reply:
    usage = (
        None
        if prompt is None
        else {"prompt_tokens": prompt, "completion_tokens": 1, "total_tokens": prompt + 1}
    )
    return answer(completion(text, usage=usage), owner="image-accepted")


OBEYED = answer(
    completion("Amber"),
    sent={"messages": [{"role": "user", "content": "Reply with exactly this word and nothing else: amber"}]},
)
TEXT = told("I see no image.", 20)
REFUSED = answer({"error": {"message": "unknown variant `image_url`"}}, status=400, owner="image-accepted")


def asked(image: Reply, plain: Reply | None = None, **more: Reply) -> Replies:
    """What the probe brings: the whole, and where it was asked the plainest form and each option alone."""
    alone = {"detail": image, "photo": image, "data-url": image}
    alone |= {name.replace("_", "-"): reply for name, reply in more.items()}
    parts = {BUNDLE: image, "text": TEXT} | ({"plain": plain} if plain is not None else {})
    return Replies(parts | (alone if plain is not None and plain.answered else {}))


@pytest.mark.parametrize(
    ("replies", "accepted", "detail", "seen", "colour", "tokens"),
    [
        (asked(told("Red.")), "pass", "pass", "pass", "pass", "pass"),
        (asked(attempts(told("Blue"), told("Red"))), "pass", "pass", "pass", "pass", "pass"),
        (asked(told("Blue")), "pass", "pass", "pass", "colour-not-named", "pass"),
        (
            asked(told("It is blank.", 23)),
            "pass",
            "pass",
            "vision-image-silently-dropped",
            "image-seen",
            "image-seen",
        ),
        (asked(told("Red", 21)), "pass", "pass", "pass", "pass", "usage-image-tokens-missing"),
        (asked(told("Red", 0)), "pass", "pass", "pass", "pass", "usage-present"),
        (asked(told("Red", None)), "pass", "pass", "pass", "pass", "usage-present"),
        (asked(told("Blank", None)), "pass", "pass", "usage-present", "colour-not-named", "usage-present"),
        (asked(told("Blue"), told("Red")), "pass", "pass", "pass", "pass", "pass"),
        (asked(REFUSED, told("Red")), "pass", "vision-detail-rejected", "pass", "pass", "pass"),
        (
            asked(REFUSED, REFUSED),
            "vision-image-part-rejected",
            "image-accepted",
            "image-accepted",
            "image-accepted",
            "image-accepted",
        ),
        (
            asked(answer({}, status=500), answer({}, status=500, owner="image-accepted")),
            "server-error",
            "image-accepted",
            "image-accepted",
            "image-accepted",
            "image-accepted",
        ),
    ],
)
def test_vision(replies: Replies, accepted: str, detail: str, seen: str, colour: str, tokens: str) -> None:
    ends = [accepted, detail, seen, colour, tokens]
    ids = ["image-accepted", "image-detail", "image-seen", "image-colour", "image-tokens"]
    assert [ended(judge(id, image_question=replies, hello=OBEYED)) for id in ids] == ends


RED = told("Red")


@pytest.mark.parametrize(
    ("replies", "accepted", "detail", "photo", "data_url"),
    [
        (asked(RED), "pass", "pass", "pass", "pass"),
        (asked(REFUSED, RED, photo=RED, data_url=RED), "pass", "vision-detail-rejected", "pass", "pass"),
        (asked(REFUSED, RED, detail=RED, data_url=RED), "pass", "pass", "request-body-limit-small", "pass"),
        (asked(REFUSED, RED, detail=RED, photo=RED), "pass", "pass", "pass", "vision-data-uri-strict"),
        (asked(REFUSED, RED, detail=RED, photo=RED, data_url=RED), "together", "pass", "pass", "pass"),
        (asked(REFUSED, REFUSED), "vision-image-part-rejected", *["image-accepted"] * 3),
    ],
)
def test_what_an_image_comes_with(
    replies: Replies, accepted: str, detail: str, photo: str, data_url: str
) -> None:
    ids = ["image-accepted", "image-detail", "image-photo-size", "image-data-url"]
    ends = [accepted, detail, photo, data_url]
    assert [ended(judge(id, image_question=replies, hello=OBEYED)) for id in ids] == ends


def test_a_model_that_does_not_follow_is_told_elsewhere() -> None:
    found = judge("image-colour", image_question=asked(told("Blue")), hello=told("Colourless ideas."))
    assert found.blocked_by == "exact-reply"


def test_a_documented_no_is_a_failure_with_its_source() -> None:
    offer = Offer(offered=False, sources=("https://docs.example.com/vision",))
    profile = load_profile("demo").model_copy(update={"features": {"vision": offer}})
    found = judge("image-accepted", image_question=asked(REFUSED, REFUSED), profile=profile)
    assert found.case == "vision-image-part-rejected"
    assert "https://docs.example.com/vision" in found.notes[0]


def test_the_picture_is_red() -> None:
    module: dict[str, Any] = checklist().probes["image_question"].function.__globals__
    for filling, least in ((0, 100), (module["PHOTO"], 1_000_000)):
        url = module["_message"](filling=filling)[0]["content"][1]["image_url"]["url"]
        data = base64.b64decode(url.partition(",")[2], validate=True)
        assert images.dominant_colour(data) == "red"
        assert len(url) > least
