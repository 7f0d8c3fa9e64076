"""Reading of messages: the text of content that is a string or parts, and the images in it."""

from typing import Any

from llmcompat.simulator.answers import Json


def text_of(content: Any) -> str:
    """Text of a message's content, whether string, parts or null."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict)]
        return "\n".join(
            str(part.get("text") or part.get("refusal") or "")
            for part in parts
            if part.get("type") in ("text", "refusal")
        )
    return ""


def images_of(content: Any) -> list[str]:
    """URLs of the images among a message's parts."""
    urls: list[str] = []
    for part in content if isinstance(content, list) else []:
        if (
            isinstance(part, dict)
            and part.get("type") == "image_url"
            and isinstance(part.get("image_url"), dict)
        ):
            urls.append(str(part["image_url"].get("url")))
    return urls


def last_user_text(messages: list[Json]) -> str:
    """Text of the last user message, or an empty string."""
    for message in reversed(messages):
        if message.get("role") == "user":
            return text_of(message.get("content"))
    return ""
