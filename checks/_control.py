"""The control that checks of obedience read first: whether the model follows a plain instruction at all."""

import re

from llmcompat import Reply, blocked, fail

_ASKED = re.compile(r"(?:nothing else: |\bthe word )([a-z]+)")


def asked_word(reply: Reply) -> str:
    """The word that the request told the model to answer with; "" where it told none."""
    messages = reply.sent.get("messages")
    for message in reversed(messages if isinstance(messages, list) else []):
        content = message.get("content") if isinstance(message, dict) else None
        found = _ASKED.search(content) if isinstance(content, str) else None
        if found:
            return found.group(1)
    return ""


def says_word(text: str, word: str) -> bool:
    """Whether a text holds the word as a word of its own, whatever its case."""
    return bool(word) and re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) is not None


def obeys(hello: Reply) -> None:
    """Block the check unless the model did what plain chat told it: the check `exact-reply` says so then."""
    if not says_word(hello.text, asked_word(hello)):
        blocked("exact-reply")


def answers_with_its_word(reply: Reply, hello: Reply, *, role: str, case: str) -> None:
    """Fail unless the answer holds the word that an instruction in the request told it to hold."""
    obeys(hello)
    word = asked_word(reply)
    if not says_word(reply.text, word):
        fail(reply.text, expected=f"the word {word}, as the {role} says", case=case)


def taken(reply: Reply, case: str) -> None:
    """Fail unless it was accepted; with this case where the request was refused for what it is."""
    if reply.answered and reply.exchange.ended == "cut" and not reply.streamed:
        for ground in reply.grounds:
            if ground.exchange.ended == "cut":
                ground.require()  # every answer is cut: the plainest request says so
    status = reply.status or 0
    own = 400 <= status < 502 and status not in (408, 429)
    reply.accepted(case=case if own else None)
