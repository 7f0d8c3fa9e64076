"""Vision: images in a message are taken, seen and counted."""

import base64
import struct
import zlib
from typing import Any

from llmcompat import (
    BUNDLE,
    Api,
    Check,
    Profile,
    Replies,
    Reply,
    blocked,
    check,
    fail,
    holds,
    is_int,
    note,
    probe,
    says,
)

from ._control import obeys, taken

SIDE = 64
"""Pixels: smaller pictures are refused by models that cut images into patches of 28 or 32 pixels."""
QUESTION = "What colour is this image? Answer with one word."
PHOTO = 900_000
"""Bytes of the picture with its filling: as base64 a body of 1.2 MB, as any photo of a telephone gives."""
FEW_TOKENS = 8
"""An image costs tens of tokens at the least; a handful is what a chat template adds for a part."""


def red_png(side: int = SIDE, filling: int = 0) -> bytes:
    """A square of pure red as a PNG file, 8 bits a channel.

    `filling` bytes stand in a chunk that decoders skip: a file as large as a photo that costs no more tokens.
    """

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = (b"\0" + b"\xff\0\0" * side) * side
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"fiLl", bytes(filling)) if filling else b"",
            chunk(b"IDAT", zlib.compress(pixels, 9)),
            chunk(b"IEND", b""),
        )
    )


def _message(*, filling: int = 0, media_type: str = "image/png", **image: Any) -> list[dict[str, Any]]:
    url = f"data:{media_type};base64,{base64.b64encode(red_png(filling=filling)).decode()}"
    picture = {"type": "image_url", "image_url": {"url": url, **image}}
    return [{"role": "user", "content": [{"type": "text", "text": QUESTION}, picture]}]


OPTIONS: dict[str, dict[str, Any]] = {
    "detail": {"detail": "auto"},
    "photo": {"filling": PHOTO},
    "data-url": {"media_type": "image/PNG"},
}
"""What may be refused of an image that is taken in its plainest form, by part."""


@probe(owner="image-accepted", grounds=["hello"])
async def image_question(api: Api) -> Replies:
    """A red square as large as a photo, with all options; where that fails plainly, and each option alone.

    Beside it the question without the picture.
    """
    model = api.settings.vision_model or api.settings.model

    async def ask(part: str, **image: Any) -> Reply:
        return await api.chat(_message(**image), part=part, model=model, until=says("red"))

    merged = {name: value for option in OPTIONS.values() for name, value in option.items()}
    parts = {BUNDLE: await ask(BUNDLE, **merged)}
    if parts[BUNDLE].refused or not _says_red(parts[BUNDLE]):
        parts["plain"] = await ask("plain")
    if parts[BUNDLE].refused and parts["plain"].answered:
        alone = await api.gather(**{part: ask(part, **option) for part, option in OPTIONS.items()})
        parts |= dict(alone)
    if parts[BUNDLE].answered or parts["plain"].answered:
        text = [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}]
        parts["text"] = await api.chat(text, part="text", model=model)
    return Replies(parts, "image_question", "image-accepted")


def _says_red(reply: Reply) -> bool:
    return any(holds(says("red"), attempt) for attempt in reply.attempts)


def _picture(image_question: Replies) -> Reply:
    """The answer about the picture: in its plainest form wherever that had to be asked."""
    return image_question.part("plain")


def _grown(image_question: Replies) -> int | None:
    """Prompt tokens that the picture added, None where the counters do not say."""
    found = [reply.find_usage() or {} for reply in (_picture(image_question), image_question["text"])]
    counts: list[Any] = [usage.get("prompt_tokens") for usage in found]
    with_image, without = counts
    return with_image - without if is_int(with_image) and is_int(without) else None


def _named(image_question: Replies) -> bool:
    """Whether the colour was named in any answer that was asked for."""
    return any("red" in reply.text.casefold() for reply in _picture(image_question).attempts)


@check(
    "image-accepted",
    feature="vision",
    fix="Name a model that sees with --vision-model, and keep images out of other models' histories.",
)
def image_accepted(image_question: Replies, profile: Profile) -> None:
    """A message with an image is accepted.

    An agent that has one screenshot in its history is refused at every turn from then on.
    """
    reply = _picture(image_question)
    if reply.refused:
        offer = profile.features.get("vision")
        if offer is not None and not offer.offered:
            note(f"{profile.display_name} offers no vision: {', '.join(offer.sources) or 'by its profile'}")
    client_error = reply.status is not None and 400 <= reply.status < 500
    reply.accepted(case="vision-image-part-rejected" if client_error else None)
    if image_question[BUNDLE].refused and all(image_question[part].answered for part in OPTIONS):
        image_question[BUNDLE].accepted(case="together")


def _option(part: str, id: str, case: str, title: str, why: str, fix: str, level: str) -> Check:
    """A check of one option that an image comes with."""

    def judge(image_question: Replies) -> None:
        whole = image_question[BUNDLE]
        if whole.refused and image_question["plain"].refused:
            blocked("image-accepted")
        taken(whole if whole.answered else image_question[part], case)

    judge.__doc__ = f"{title}\n\n{why}"
    return check(id, feature="vision", fix=fix, chat=level, agent=level)(judge)


OPTION_CHECKS = (
    _option(
        "detail",
        "image-detail",
        "vision-detail-rejected",
        "detail: auto is accepted.",
        "auto is the default, and some clients always send it.",
        "Leave `detail` out of image parts.",
        "must",
    ),
    _option(
        "photo",
        "image-photo-size",
        "request-body-limit-small",
        "A request as large as a photo is accepted.",
        "A photo of a telephone makes a body of 1 to 5 MB; a proxy's default limit is 1 MB, and its refusal "
        "is a page of HTML.",
        "Scale and recompress images before you send them, or raise the body limit of the proxy in front.",
        "must",
    ),
    _option(
        "data-url",
        "image-data-url",
        "vision-data-uri-strict",
        "A data URL may write its media type in capitals.",
        "Media types have no case, and clients copy them from files and uploads as they stand there.",
        "Write data URLs in their plainest form: data:image/png;base64, and no line breaks.",
        "should",
    ),
)


@check(
    "image-seen",
    feature="vision",
    fix="Name a model that sees with --vision-model: this one answers without looking.",
)
def image_seen(image_question: Replies) -> None:
    """The image reaches the model.

    An image that is dropped without a word gives invented descriptions.
    """
    reply = _picture(image_question)
    reply.require()
    if _named(image_question):
        return
    grown = _grown(image_question)
    if grown is None:
        blocked("usage-present")
    if grown <= FEW_TOKENS:
        seen = f"{reply.text[:200]!r}, and {grown} prompt tokens more than without the image"
        fail(seen, expected="red, or a prompt that grows by the image", case="vision-image-silently-dropped")


@check(
    "image-colour",
    feature="vision",
    kind="behaviour",
    fix="Test this model on your own images before you move: it does not see what is plain to see.",
    chat="should",
    agent="should",
)
def image_colour(image_question: Replies, hello: Reply) -> None:
    """The model names the colour of a red square.

    What fails here fails on screenshots and documents too.
    """
    reply = _picture(image_question)
    reply.require()
    if not _named(image_question):
        grown = _grown(image_question)
        if grown is not None and grown <= FEW_TOKENS:
            blocked("image-seen")
        obeys(hello)
        fail(reply.text[:200], expected="red", case="colour-not-named")


@check(
    "image-tokens",
    feature="vision",
    fix="Estimate the cost of images from the provider's price page, not from usage.",
)
def image_tokens(image_question: Replies) -> None:
    """The image is counted in prompt_tokens.

    Costs of vision work are otherwise wrong by one to two orders of magnitude.
    """
    with_image = _picture(image_question)
    with_image.require()
    without = image_question["text"]
    if with_image.usage["prompt_tokens"] == 0:
        blocked("usage-present")
    grown = with_image.usage["prompt_tokens"] - without.usage["prompt_tokens"]
    if grown > FEW_TOKENS:
        return
    if not _named(image_question):
        blocked("image-seen")
    seen = f"{with_image.usage['prompt_tokens']} prompt tokens with the image, {grown} more than without"
    fail(seen, expected="tens of tokens more", case="usage-image-tokens-missing")
