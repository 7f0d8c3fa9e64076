"""Vision: images in a message are taken, seen and counted."""

import base64
import struct
import zlib
from typing import Any

from llmcompat import Api, Profile, Replies, Reply, blocked, check, fail, is_int, note, probe, says

SIDE = 64
"""Pixels: smaller pictures are refused by models that cut images into patches of 28 or 32 pixels."""
QUESTION = "What colour is this image? Answer with one word."
FEW_TOKENS = 8
"""An image costs tens of tokens at the least; a handful is what a chat template adds for a part."""


def red_png(side: int = SIDE) -> bytes:
    """A square of pure red as a PNG file, 8 bits a channel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = (b"\0" + b"\xff\0\0" * side) * side
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", zlib.compress(pixels, 9)),
            chunk(b"IEND", b""),
        )
    )


def _message(**image: Any) -> list[dict[str, Any]]:
    url = "data:image/png;base64," + base64.b64encode(red_png()).decode()
    picture = {"type": "image_url", "image_url": {"url": url, **image}}
    return [{"role": "user", "content": [{"type": "text", "text": QUESTION}, picture]}]


@probe(owner="image-accepted", grounds=["hello"])
async def image_question(api: Api) -> Replies:
    """A red square with detail auto, or without where that is refused; the question without the picture."""
    model = api.settings.vision_model or api.settings.model
    parts = {"image": await api.chat(_message(detail="auto"), part="image", model=model, until=says("red"))}
    seen = parts["image"]
    if seen.refused:
        parts["no-detail"] = seen = await api.chat(
            _message(), part="no-detail", model=model, until=says("red")
        )
    if seen.answered:
        text = [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}]
        parts["text"] = await api.chat(text, part="text", model=model)
    return Replies(parts, "image_question", "image-accepted")


def _picture(image_question: Replies) -> Reply:
    """The answer about the picture, with or without `detail`."""
    return image_question["no-detail" if "no-detail" in image_question else "image"]


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


@check("image-detail", feature="vision", fix="Leave `detail` out of image parts.")
def image_detail(image_question: Replies) -> None:
    """detail: auto is accepted.

    auto is the default, and some clients always send it.
    """
    if _picture(image_question).refused:
        blocked("image-accepted")
    image_question["image"].accepted(case="vision-detail-rejected")


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
def image_colour(image_question: Replies) -> None:
    """The model names the colour of a red square.

    What fails here fails on screenshots and documents too.
    """
    reply = _picture(image_question)
    reply.require()
    if not _named(image_question):
        grown = _grown(image_question)
        if grown is not None and grown <= FEW_TOKENS:
            blocked("image-seen")
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
