"""Answers about a picture as literals, before the checks that judge them; and the picture itself."""

import base64
from typing import Any

import pytest

from llmcompat.profiles.loader import load_profile
from llmcompat.profiles.schema import Offer
from llmcompat.reply import Replies, Reply
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


TEXT = told("I see no image.", 20)
REFUSED = answer({"error": {"message": "unknown variant `image_url`"}}, status=400, owner="image-accepted")


def asked(image: Reply, **more: Reply) -> Replies:
    return Replies(
        {"image": image, "text": TEXT} | {name.replace("_", "-"): reply for name, reply in more.items()}
    )


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
        (asked(REFUSED, no_detail=told("Red")), "pass", "vision-detail-rejected", "pass", "pass", "pass"),
        (
            asked(REFUSED, no_detail=REFUSED),
            "vision-image-part-rejected",
            "image-accepted",
            "image-accepted",
            "image-accepted",
            "image-accepted",
        ),
        (
            asked(answer({}, status=500), no_detail=answer({}, status=500, owner="image-accepted")),
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
    assert [ended(judge(id, image_question=replies)) for id in ids] == ends


def test_a_documented_no_is_a_failure_with_its_source() -> None:
    offer = Offer(offered=False, sources=("https://docs.example.com/vision",))
    profile = load_profile("demo").model_copy(update={"features": {"vision": offer}})
    found = judge("image-accepted", image_question=asked(REFUSED, no_detail=REFUSED), profile=profile)
    assert found.case == "vision-image-part-rejected"
    assert "https://docs.example.com/vision" in found.notes[0]


def test_the_picture_is_red() -> None:
    module: dict[str, Any] = checklist().probes["image_question"].function.__globals__
    url = module["_message"](detail="auto")[0]["content"][1]["image_url"]["url"]
    data = base64.b64decode(url.partition(",")[2], validate=True)
    assert images.dominant_colour(data) == "red"
