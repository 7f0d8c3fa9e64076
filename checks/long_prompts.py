"""Long prompts: they arrive whole and are read whole, and one that is too long is refused clearly."""

import asyncio
import re
from typing import Any

from llmcompat import (
    Api,
    Profile,
    Replies,
    Reply,
    Settings,
    blocked,
    check,
    dig,
    fail,
    judged,
    measure,
    note,
    probe,
    says,
    skip,
    unanswered,
)

from ._control import obeys, says_word, taken
from ._filler import prose

STEPS = {"2k": 2_000, "8k": 8_000, "32k": 32_000}
"""Prompt tokens of each step; the last one that is asked may be shorter where the window or the user's
bound is.
"""

SMALLER = {"1k": 1_000, "500": 500, "250": 250}
"""Prompt tokens of what is asked, until one is accepted, where no window is known and the first step is
beyond it.
"""

OVERFLOW = "overflow"
_CAP = 1024
_CHARACTERS_PER_TOKEN = 4.0
_RETRY_UP_TO = 16_000
"""Prompt tokens up to which a model is asked again for what it did not find: beyond, a second time costs
too much.
"""
_MARGIN = 0.85
"""Share of the window that is filled: the estimate of tokens before anything was counted may be that wrong.
"""
_TOO_LONG = 1.15
_TRUNCATED = 0.7
"""Share of the expected prompt_tokens below which a part of the prompt is gone."""
_ORDINALS = ("first", "second", "third")
_PLACES = ("head", "middle", "tail")
_NEEDLE = re.compile(r"The (first|second|third) code word is (\w+)\.")
_SAYS_TOO_LONG = re.compile(
    r"context.?(?:length|window|size)|maximum.?context|max(?:imum)?.?(?:model|prompt|input).?len|too.?long"
    r"|too.?many.?(?:input )?tokens|reduce the length|token.?limit|input length|max_new_tokens"
    r"|(?:exceed|longer than|greater than|above)[^.]{0,80}(?:context|token|limit|length)",
    re.IGNORECASE,
)


def known_window(settings: Settings, profile: Profile, models_list: Reply) -> tuple[int, str] | None:
    """The context window in tokens, and who says so: the user, the model list, or the profile."""
    if settings.context_window:
        return settings.context_window, "the settings"
    listed = _listed_window(settings, models_list)
    if listed:
        return listed, "the model list"
    default = profile.models.default
    if profile.limits.context_window and default and default.value == settings.model:
        return profile.limits.context_window.value, "the profile"
    return None


def _listed_window(settings: Settings, models_list: Reply) -> int | None:
    entries = dig(models_list.document, "data")
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and entry.get("id") == settings.model:
            for name in ("context_length", "max_model_len", "context_window", "max_context_length"):
                value = entry.get(name)
                if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                    return value
    return None


def planned(window: int | None, bound: int) -> dict[str, int]:
    """Prompt tokens by step that fit the window together with an answer, and the user's bound."""
    most = bound if window is None else min(bound, int((window - _cap(window)) * _MARGIN))
    found: dict[str, int] = {}
    for step, size in STEPS.items():
        size = min(size, most)
        if not found or size > 1.5 * max(found.values()):
            found[step] = size
    return found


def _cap(window: int | None) -> int:
    return _CAP if window is None else min(_CAP, max(window // 8, 16))


def _overflow_size(window: int | None, bound: int) -> int | None:
    size = int(window * _TOO_LONG) + 64 if window else None
    return size if size is not None and size <= bound else None


def _words(api: Api, step: str) -> list[str]:
    words: list[str] = []
    number = 0
    while len(words) < len(_ORDINALS):
        word = api.word(f"needle/{step}/{number}")
        number += 1
        if word not in words:
            words.append(word)
    return words


def _prompt(words: list[str], characters: int) -> str:
    """A text of about so many characters with a code word near its head, in its middle and near its tail."""
    paragraphs = prose(max(characters - 300, 100)).split("\n\n")
    count = len(paragraphs)
    places = (0, count // 2, count - 1)
    for ordinal, word, place in zip(_ORDINALS, words, places, strict=True):
        paragraphs[place] += f" The {ordinal} code word is {word}."
    notes = "\n\n".join(paragraphs)
    question = "The notes name three code words. What are the first, second and third code word? List them."
    return f"Here are some notes.\n\n{notes}\n\n{question}"


@probe(owner="long-prompt-accepted", grounds=["hello"])
async def long_prompts(api: Api, models_list: Reply) -> Replies:
    """Prompts of growing length, and one beyond the window where that is known and not too dear."""
    window = known_window(api.settings, api.profile, models_list)
    tokens = window[0] if window else None
    steps = planned(tokens, api.settings.max_prompt_tokens)

    async def ask(step: str, size: int, ratio: float) -> Reply:
        words = _words(api, step)
        until = says(*words) if step != OVERFLOW and size <= _RETRY_UP_TO else None
        # below the first step the window is small, and some servers count the cap as a part of it
        cap = _cap(tokens or (2 * size if step in SMALLER else None))
        return await api.chat(_prompt(words, int(size * ratio)), part=step, until=until, cap=cap)

    first, *others = steps
    questions = {first: await ask(first, steps[first], _CHARACTERS_PER_TOKEN)}
    if tokens is None and _too_long_for_it(questions[first]):
        for step, size in SMALLER.items():
            questions[step] = await ask(step, size, _CHARACTERS_PER_TOKEN)
            if not _too_long_for_it(questions[step]):
                break
        return Replies(questions, "long_prompts", "long-prompt-accepted")
    ratio = _measured_ratio(questions[first])
    too_long = _overflow_size(tokens, api.settings.max_prompt_tokens)
    rest = {step: steps[step] for step in others} | ({OVERFLOW: too_long} if too_long else {})
    asked = await asyncio.gather(*(ask(step, size, ratio) for step, size in rest.items()))
    return Replies(questions | dict(zip(rest, asked, strict=True)), "long_prompts", "long-prompt-accepted")


def _measured_ratio(reply: Reply) -> float:
    """Characters a token, from the first answer's counter; 4 where that says nothing likely."""
    counted = dig(reply.find_usage() or {}, "prompt_tokens")
    ratio = len(_sent_text(reply)) / counted if isinstance(counted, int) and counted > 0 else 0.0
    return ratio if 2.0 <= ratio <= 8.0 else _CHARACTERS_PER_TOKEN


def _sent_text(reply: Reply) -> str:
    content = dig(reply.sent, "messages.0.content")
    return content if isinstance(content, str) else ""


def _size(reply: Reply) -> int:
    """About how many tokens were sent."""
    return round(len(_sent_text(reply)) / _CHARACTERS_PER_TOKEN)


def _steps(long_prompts: Replies) -> list[tuple[str, Reply]]:
    """What was asked, the shortest prompt first."""
    return [(step, long_prompts[step]) for step in (*reversed(SMALLER), *STEPS) if step in long_prompts]


def _shown(tokens: int) -> str:
    if tokens >= 1_000_000:
        return f"{tokens / 1_000_000:.3g}M"
    return f"{round(tokens / 1000)}K" if tokens >= 1000 else str(tokens)


def _too_long_for_it(reply: Reply) -> bool:
    """Whether a refusal is about the request: not about key, money or pace, and no trouble of the server."""
    return (
        reply.status is not None
        and 400 <= reply.status < 500
        and reply.status not in (401, 402, 408, 409, 429)
    )


@check(
    "long-prompt-accepted",
    fix=(
        "Give the real window with --context-window, and cut prompts to it in the application; ask for a "
        "higher plan where the pace is the bound."
    ),
)
def long_prompt_accepted(
    long_prompts: Replies, models_list: Reply, settings: Settings, profile: Profile
) -> None:
    """Prompts inside the window are accepted.

    Applications size their prompts by the advertised window; an endpoint that takes less fails in the
    middle of a session. Where nobody says how large the window is, what is accepted at all is found out.
    """
    window = known_window(settings, profile, models_list)
    largest = 0
    for _, reply in _steps(long_prompts):
        if reply.answered:
            taken(reply, "refused")
            largest = _size(reply)
            measure(
                f"seconds for a prompt of about {_shown(largest)} tokens",
                round(reply.exchange.seconds, 3),
                "s",
            )
            continue
        if reply.status == 413 and dig(reply.document, "error.code") == "rate_limit_exceeded":
            fail(
                reply.excerpt,
                expected="200, or 429 where the plan allows no more a minute",
                case="request-over-tpm-413",
            )
        if window is None and largest and _too_long_for_it(reply):
            note(
                f"a prompt of about {_shown(_size(reply))} tokens was refused; no window is known to "
                "hold it against"
            )
            break
        taken(reply, "advertised-context-too-large" if window else "prompt-refused")
    note(
        f"tested to {_shown(largest)}"
        + (f" of {_shown(window[0])} tokens, as {window[1]} gives the window" if window else " tokens")
    )


def _base_ratio(long_prompts: Replies) -> float:
    """Characters a token by the counter of the shortest prompt, which is the least likely to be cut."""
    for _, reply in _steps(long_prompts):
        if reply.answered:
            counted = reply.usage["prompt_tokens"]
            if counted <= 0:
                unanswered("prompt_tokens is 0, a placeholder")
            return len(_sent_text(reply)) / counted
    return blocked("long-prompt-accepted")


def _shrunk(long_prompts: Replies) -> tuple[Reply, int, int] | None:
    """The first prompt whose counter says that much of it never arrived, with tokens expected and counted."""
    ratio = min(_base_ratio(long_prompts), 12.0)
    for _, reply in _steps(long_prompts):
        if reply.answered:
            expected, counted = round(len(_sent_text(reply)) / ratio), reply.usage["prompt_tokens"]
            if counted < _TRUNCATED * expected:
                return reply, expected, counted
    return None


def missing_words(reply: Reply, text: str) -> dict[str, str]:
    """The code words of this prompt that the text does not hold, by place: head, middle, tail."""
    found = dict(_NEEDLE.findall(_sent_text(reply)))
    named = {
        place: found[ordinal] for place, ordinal in zip(_PLACES, _ORDINALS, strict=True) if ordinal in found
    }
    return {place: word for place, word in named.items() if not says_word(text, word)}


def _lost(missing: dict[str, str], otherwise: str) -> str:
    """The case that a pattern of missing words speaks for."""
    if set(missing) == {"middle"}:
        return "prompt-silently-compressed"
    if "head" in missing and "tail" not in missing:
        return "context-overflow-silent"
    return otherwise


def _text_of(reply: Reply) -> str:
    content = dig(reply.document, "choices.0.message.content")
    return content if isinstance(content, str) else ""


@check(
    "prompt-tokens-grow",
    fix=(
        "Raise the server's context setting (Ollama: num_ctx, llama.cpp: -c), or switch off prompt "
        "compression (OpenRouter: transforms [])."
    ),
)
def prompt_tokens_grow(long_prompts: Replies) -> None:
    """prompt_tokens grows with the prompt.

    A counter far below what was sent means that the endpoint dropped a part of the prompt before the
    model saw it, or bills wrongly.
    """
    gone = _shrunk(long_prompts)
    if gone is not None:
        reply, expected, counted = gone
        missing = missing_words(reply, _text_of(reply))
        case = _lost(missing, "context-overflow-silent") if missing else "prompt-tokens-too-low"
        fail(
            f"prompt_tokens {counted}",
            expected=f"about {expected} for {len(_sent_text(reply))} characters",
            case=case,
        )


@check(
    "long-prompt-recall",
    fix=(
        "Keep what matters near the head and the tail of prompts, send less at once, or choose a model "
        "that reads its whole window."
    ),
    kind="behaviour",
)
def long_prompt_recall(long_prompts: Replies, hello: Reply) -> None:
    """The model finds what stands at head, middle and tail.

    Where a long prompt is cut or skimmed the answer ignores the question, the instructions or the
    document, with status 200.
    """
    obeys(hello)
    steps = [(step, reply) for step, reply in _steps(long_prompts) if reply.answered]
    judged((reply for _, reply in steps), nothing="long-prompt-accepted")
    for step, reply in steps:
        text = reply.text
        missing = missing_words(reply, text)
        if not missing:
            continue
        counted = reply.find_usage() is not None
        if counted and _shrunk(long_prompts) is not None:
            blocked("prompt-tokens-grow")
        if step == steps[0][0] and (counted or len(missing) == len(_PLACES)):
            unanswered("the model does not find the words in the shortest prompt either")
        where = ", ".join(f"{word} ({place})" for place, word in missing.items())
        # a counter that says that all of it was read leaves the model's weakness as the cause
        case = f"recall-{step}" if counted or step == steps[0][0] else _lost(missing, f"recall-{step}")
        fail(
            text,
            expected=f"all three code words of about {_shown(_size(reply))} tokens; missing: {where}",
            case=case,
        )


def _overflowed(long_prompts: Replies, window: tuple[int, str] | None, bound: int) -> Reply:
    """The answer to a prompt that was too long; skips where none was sent."""
    if OVERFLOW in long_prompts:
        reply = long_prompts[OVERFLOW]
    else:
        refused = [
            reply for _, reply in _steps(long_prompts)[1:] if window is None and _too_long_for_it(reply)
        ]
        if not refused or _steps(long_prompts)[0][1].refused:
            skip(
                f"no prompt beyond the window of {_shown(window[0])} tokens was sent: "
                f"--max-prompt-tokens is {_shown(bound)}"
                if window
                else "no window is known to go beyond; give --context-window"
            )
        reply = refused[0]
    if reply.status in (401, 402, 408, 409, 429) or reply.status is None:
        unanswered(reply.excerpt)
    return reply


@check(
    "context-overflow-refused",
    fix=(
        "Count tokens before sending and cut the prompt yourself: this endpoint does not say that it was "
        "too long."
    ),
)
def context_overflow_refused(
    long_prompts: Replies, models_list: Reply, settings: Settings, profile: Profile
) -> None:
    """A prompt beyond the window is refused with 4xx.

    An endpoint that cuts it silently answers without the question or the instructions; one that answers
    5xx is asked again for nothing.
    """
    window = known_window(settings, profile, models_list)
    reply = _overflowed(long_prompts, window, settings.max_prompt_tokens)
    expected = "400 with error.code context_length_exceeded"
    if reply.refused:
        if reply.status is not None and reply.status >= 500:
            fail(reply.excerpt, expected=expected, case="overflow-as-server-error")
        return
    finish = reply.find_finish_reason()
    missing = missing_words(reply, _text_of(reply))
    counted: Any = dig(reply.find_usage() or {}, "prompt_tokens")
    whole = isinstance(counted, int) and window is not None and counted > window[0]
    if isinstance(finish, str) and "context" in finish:
        fail(f"200 with finish_reason {finish}", expected=expected, case="finish-reason-context-window")
    if whole or not missing:
        unanswered(
            f"a prompt of about {_shown(_size(reply))} tokens was read whole: the window is larger "
            "than is known"
        )
    told = counted if isinstance(counted, int) else "not given"
    seen = f"200, prompt_tokens {told}, missing: {', '.join(missing)}"
    fail(seen, expected=expected, case=_lost(missing, "context-overflow-silent"))


def _refusal(long_prompts: Replies, models_list: Reply, settings: Settings, profile: Profile) -> Reply:
    reply = _overflowed(
        long_prompts, known_window(settings, profile, models_list), settings.max_prompt_tokens
    )
    if reply.answered or (reply.status is not None and reply.status >= 500):
        blocked("context-overflow-refused")
    return reply


@check(
    "context-overflow-recognisable",
    fix=(
        "Add this endpoint's wording to the patterns by which your client recognises a prompt that is too "
        "long."
    ),
    chat="should",
)
def context_overflow_recognisable(
    long_prompts: Replies, models_list: Reply, settings: Settings, profile: Profile
) -> None:
    """The refusal says that the prompt was too long.

    Agents shorten their history when they recognise it; when they do not, they send the same prompt again
    and again.
    """
    reply = _refusal(long_prompts, models_list, settings, profile)
    if not _SAYS_TOO_LONG.search(reply.error_text):
        fail(
            reply.excerpt,
            expected="error.code context_length_exceeded, or a message about the context length",
            case="context-length-error-unrecognisable",
        )


@check(
    "context-overflow-code",
    fix="Recognise it by its message as well as by error.code.",
    chat="should",
    agent="should",
)
def context_overflow_code(
    long_prompts: Replies, models_list: Reply, settings: Settings, profile: Profile
) -> None:
    """The refusal of a long prompt carries OpenAI's code.

    Clients that branch on error.code take any other code for a mistake in the request and give up.
    """
    reply = _refusal(long_prompts, models_list, settings, profile)
    if not _SAYS_TOO_LONG.search(reply.error_text):
        blocked("context-overflow-recognisable")
    code = reply.error.get("code")
    if code != "context_length_exceeded":
        fail(
            {"status": reply.status, "code": code},
            expected="error.code context_length_exceeded",
            case="context-length-error-unrecognisable",
        )
    if reply.status != 400:
        note(f"refused with status {reply.status} where OpenAI answers 400")
