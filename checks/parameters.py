"""Parameters: what your application sets in a request is taken, and has its effect."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from llmcompat import (
    BUNDLE,
    Api,
    Check,
    Exchanges,
    Profile,
    Replies,
    Reply,
    Settings,
    blocked,
    check,
    dig,
    fail,
    is_int,
    note,
    plausible_tokens,
    probe,
    says,
    skip,
    unanswered,
)

from ._control import obeys, taken
from ._finish_reasons import FINISH_REASONS

CAP = 16
"""Output tokens of the requests that are to be cut."""

SLACK = 2
"""Tokens that a server may count beyond a cap: the end-of-text token, for one."""

LARGE = 16_384
"""Output tokens of the request with a large limit: the ceiling of gpt-4o, which applications have set."""

LAST = 300
"""The number that a long answer must reach."""

COUNT = "Count from 1 to 200, separated by commas. Write every number."
REPEAT = "Repeat exactly: alpha beta gamma delta"
STOP = "gamma"

_NO_VERDICT = (401, 402, 429)
"""Statuses that say nothing about a parameter."""

_COUNTING = re.compile(r"\b1\D{1,5}2\D{1,5}3\D{1,5}4\D{1,5}5\b")
_VALUES = re.compile(r"must be|one of|valid values|supported values|allowed values|expected", re.IGNORECASE)
_FIXED = re.compile(r"\bonly\b|\bfixed\b|\bdefault\b", re.IGNORECASE)
_NO_LIMIT: dict[str, Any] = {"max_tokens": ..., "max_completion_tokens": ...}


# --- how the effects are read


def _written(reply: Reply) -> str:
    """The answer's text as far as it can be read, also where it was too long to be read to its end."""
    if not reply.streamed:
        pieces = [dig(reply.document, "choices.0.message.content")]
    else:
        pieces = [dig(chunk.data, "choices.0.delta.content") for chunk in reply.all_chunks]
    return "".join(piece for piece in pieces if isinstance(piece, str))


def _used(reply: Reply) -> Any:
    return dig(reply.find_usage() or {}, "completion_tokens")


def _overran(reply: Reply) -> bool:
    """Whether this answer proves that the cap was not applied: by its counter or by its mere length."""
    if plausible_tokens(_written(reply))[0] > CAP + SLACK:
        return True
    # Counters include thinking, which some servers do not cap: of an answer that was cut they prove little.
    used = _used(reply)
    return is_int(used) and used > 4 * CAP and reply.find_finish_reason() != "length"


def _cut(reply: Reply) -> bool:
    """The wire has shown what became of the cap: the answer was cut, or it ran over."""
    return reply.find_finish_reason() == "length" or _overran(reply)


def _answers(asked: Reply) -> list[Reply]:
    """The attempts that were answered; where none was, the check is blocked."""
    found = [reply for reply in asked.attempts if reply.answered]
    if not found:
        asked.require()
    return found


def _unproven(hello: Reply, reason: str) -> None:
    """End without a verdict: the model may be at fault, and the control says whether it obeys at all."""
    obeys(hello)
    unanswered(reason)


def _reason(reply: Reply) -> str:
    """The finish_reason; a word outside the enum belongs to another check."""
    value = reply.finish_reason
    if value not in FINISH_REASONS:
        blocked("stream-finish-reason" if reply.streamed else "response-finish-reason")
    return value


def _applied(asked: Reply, hello: Reply, case: str) -> None:
    """Fail where the cap had no effect, at whatever attempt."""
    answers = _answers(asked)
    for reply in answers:
        if _overran(reply):
            characters = len(_written(reply))
            fail(
                f"completion_tokens {_show_count(_used(reply))}, {characters} characters of text",
                expected=f"at most {CAP} tokens",
                case=case,
            )
    if any(_reason(reply) == "length" or reply.usage["completion_tokens"] >= CAP for reply in answers):
        return
    _unproven(hello, f"the model ended by itself before {CAP} tokens")


def _show_count(value: Any) -> str:
    return str(value) if is_int(value) else "not given"


def _says_length(asked: Reply, hello: Reply, owner: str) -> None:
    """Fail where an answer that filled its cap does not say `length`; `owner` owns an ignored cap."""
    answers = _answers(asked)
    if any(_overran(reply) for reply in answers):
        blocked(owner)
    reasons = [_reason(reply) for reply in answers]
    if "length" in reasons:
        return
    if all(reply.usage["completion_tokens"] >= CAP for reply in answers):
        fail(
            f'finish_reason "{reasons[0]}" after {answers[0].usage["completion_tokens"]} tokens',
            expected=f'"length": the cap of {CAP} tokens cut the answer',
            case="finish-reason-stop-when-truncated",
        )
    _unproven(hello, f"the model ended by itself before {CAP} tokens")


def _stops(asked: Reply, hello: Reply) -> None:
    """Fail unless the answer ends before the stop text, at every attempt that came to it."""
    answers = _answers(asked)
    for reply in answers:
        text = reply.content or ""
        if STOP in text:
            ends = text.rstrip().endswith(STOP)
            fail(
                text[:200],
                expected=f'text that ends before "{STOP}"',
                case="stop-string-included" if ends else "stop-ignored",
            )
    for reply in answers:
        reply.uncapped()
        text = (reply.content or "").casefold()
        if "alpha" in text and "delta" not in text:
            return
    for reply in answers:
        if reply.reasoning and not (reply.content or "").strip() and reply.find_finish_reason() == "stop":
            obeys(hello)  # an endpoint that never gives content is told elsewhere
            fail(
                f"no content; thinking text ends: …{reply.reasoning[-120:]}",
                expected="a stop text applies to the answer, not to the thinking before it",
                case="stop-cuts-reasoning",
            )
    _unproven(hello, "the model did not begin to repeat the words")


def _together(replies: Replies) -> None:
    """For the owner of a bundle: fail where all its parts were accepted alone, and not together."""
    whole = replies[BUNDLE]
    parts = [reply for name, reply in replies.items() if name != BUNDLE]
    if whole.answered or _no_verdict(whole) or not any(reply.refused for reply in parts):
        whole.accepted(case=None if whole.answered or not parts else "together")


def _no_verdict(reply: Reply) -> bool:
    """Whether a refusal is about something else: throttling, the key, or a request that this one contains."""
    return reply.status in _NO_VERDICT or any(ground.refused for ground in reply.grounds)


def _each(replies: Replies, expected: str, case: str, known: Mapping[str, str]) -> None:
    """Fail with all the parts that were refused; for bundles whose parts are one question.

    `known` are parameters that are refused at any value, each with the check that says so.
    """
    refused = {name: reply for name, reply in replies.items() if name != BUNDLE and reply.refused}
    for reply in refused.values():
        if _no_verdict(reply):
            reply.accepted()
    own = {name: reply for name, reply in refused.items() if name not in known}
    if own:
        fail(
            "; ".join(f"{name}: {reply.excerpt}" for name, reply in own.items()), expected=expected, case=case
        )
    if refused:
        note(f"refused at any value: {', '.join(refused)}")
    _together(replies)


# --- limits on output tokens


@probe(owner="max-tokens-accepted", grounds=["hello"], quick=True)
async def max_tokens_small(api: Api) -> Reply:
    """An answer that max_tokens must cut."""
    return await api.chat(COUNT, cap=None, until=_cut, **_NO_LIMIT | {"max_tokens": CAP})


@probe(owner="max-completion-tokens-accepted", grounds=["hello"])
async def max_completion_tokens_small(api: Api) -> Reply:
    """An answer that max_completion_tokens must cut."""
    return await api.chat(COUNT, cap=None, until=_cut, **_NO_LIMIT | {"max_completion_tokens": CAP})


@probe(owner="max-tokens-stream-accepted", grounds=["hello", "stream_text"])
async def max_tokens_small_stream(api: Api) -> Reply:
    """A stream that the limit which this endpoint takes must cut."""
    name = api.basics.token_limit
    limit = _NO_LIMIT | ({name: CAP} if name else {})
    return await api.chat(COUNT, stream=True, cap=None, until=_cut, **limit)


@probe(owner="no-limit-accepted", grounds=["hello"])
async def no_limit(api: Api) -> Reply:
    """A long answer without a limit."""
    return await api.chat(
        f"Count from 1 to {LAST}, separated by commas. Write every number.",
        cap=None,
        until=says(str(LAST)),
        **_NO_LIMIT,
    )


@probe(owner="large-limit-accepted", grounds=["hello"])
async def large_limit(api: Api) -> Reply:
    """A short answer under a large limit."""
    limits = [LARGE]
    if api.profile.limits.max_output is not None:
        limits.append(api.profile.limits.max_output.value)
    window = _window(api.settings, api.profile)
    if window is not None:
        limits.append(max(1, window // 2))
    name = api.basics.token_limit
    limit = _NO_LIMIT | ({name: min(limits)} if name else {})
    return await api.chat("Reply with exactly this word and nothing else: ready", cap=None, **limit)


def _window(settings: Settings, profile: Profile) -> int | None:
    if settings.context_window is not None:
        return settings.context_window
    return profile.limits.context_window.value if profile.limits.context_window is not None else None


@check(
    "max-tokens-accepted",
    fix="Send max_completion_tokens instead, or let a gateway rename the parameter.",
    trial="must",
)
def max_tokens_accepted(max_tokens_small: Reply) -> None:
    """The parameter max_tokens is accepted.

    The Vercel AI SDK, LiteLLM, LlamaIndex and LangChain for JavaScript send the limit under this name; a
    refusal ends each of their requests.
    """
    taken(max_tokens_small, "max-tokens-rejected")


@check(
    "max-completion-tokens-accepted",
    fix="Send max_tokens instead (extra_body in LangChain, the model profile in Pydantic AI, or a gateway).",
)
def max_completion_tokens_accepted(max_completion_tokens_small: Reply) -> None:
    """The parameter max_completion_tokens is accepted.

    LangChain for Python and Pydantic AI send every limit under this name, which is OpenAI's current one; a
    refusal ends each of their requests.
    """
    taken(max_completion_tokens_small, "max-completion-tokens-rejected")


@check(
    "max-tokens-stream-accepted", fix="Ask without a stream where you limit the output.", feature="streaming"
)
def max_tokens_stream_accepted(max_tokens_small_stream: Reply) -> None:
    """A stream with a limit on output tokens is accepted.

    Applications limit streams as they limit plain answers.
    """
    max_tokens_small_stream.accepted()


@check(
    "max-tokens-applied",
    fix="Send max_completion_tokens, and close the connection yourself when an answer grows too long.",
)
def max_tokens_applied(max_tokens_small: Reply, hello: Reply) -> None:
    """A limit in max_tokens is applied.

    Where it is taken and ignored, answers run to the server's own end: cost and waiting time have no bound,
    and a server with one slot is blocked for minutes.
    """
    _applied(max_tokens_small, hello, "max-tokens-ignored")


@check(
    "max-completion-tokens-applied",
    fix="Send max_tokens instead, and close the connection yourself when an answer grows too long.",
)
def max_completion_tokens_applied(max_completion_tokens_small: Reply, hello: Reply) -> None:
    """A limit in max_completion_tokens is applied.

    Where it is taken and ignored, applications built on LangChain or Pydantic AI have no limit at all, and no
    error tells them.
    """
    _applied(max_completion_tokens_small, hello, "max-completion-tokens-ignored")


@check(
    "max-tokens-applied-stream",
    fix="Count the text as it arrives and close the stream yourself.",
    feature="streaming",
)
def max_tokens_applied_stream(
    max_tokens_small_stream: Reply, max_tokens_small: Reply, max_completion_tokens_small: Reply, hello: Reply
) -> None:
    """A limit on output tokens is applied to streams.

    A stream that ignores its limit runs on for as long as the server likes, and every token of it is paid
    for.
    """
    twin, owner = _plain_twin(max_tokens_small_stream, max_tokens_small, max_completion_tokens_small)
    if any(reply.answered and _overran(reply) for reply in twin.attempts):
        blocked(owner)
    _applied(max_tokens_small_stream, hello, "max-tokens-ignored")


def _plain_twin(stream: Reply, short: Reply, current: Reply) -> tuple[Reply, str]:
    """The plain answer under the same parameter as the stream, and the check that owns its effect."""
    if stream.cap is None:
        stream.require()
        blocked("max-tokens-accepted")
    if "max_tokens" in stream.sent:
        return short, "max-tokens-applied"
    return current, "max-completion-tokens-applied"


@check(
    "length-finish-reason",
    fix="Compare usage.completion_tokens with your limit, and treat an answer that fills it as cut.",
    kind="behaviour",  # one attempt may end at the cap by chance: all are judged together
)
def length_finish_reason(max_tokens_small: Reply, hello: Reply) -> None:
    """An answer cut by the token limit says "length".

    Clients tell a whole answer from a cut one by this word alone: with "stop" half a text or half a JSON
    object is taken as complete, and openai-python's parse() reports a JSON error instead of the limit.
    """
    _says_length(max_tokens_small, hello, "max-tokens-applied")


@check(
    "length-finish-reason-stream",
    fix="Compare the usage of the last chunk with your limit, and treat an answer that fills it as cut.",
    feature="streaming",
    kind="behaviour",  # one attempt may end at the cap by chance: all are judged together
)
def length_finish_reason_stream(
    max_tokens_small_stream: Reply, max_tokens_small: Reply, max_completion_tokens_small: Reply, hello: Reply
) -> None:
    """A stream cut by the token limit says "length".

    Without it the reader of a stream shows half an answer as a whole one.
    """
    twin, _ = _plain_twin(max_tokens_small_stream, max_tokens_small, max_completion_tokens_small)
    answered = [reply for reply in twin.attempts if reply.answered]
    if answered and all(_used(reply) == CAP and reply.find_finish_reason() == "stop" for reply in answered):
        blocked("length-finish-reason")  # the same deviation, said there
    _says_length(max_tokens_small_stream, hello, "max-tokens-applied-stream")


@check("no-limit-accepted", fix="Always send a limit on output tokens.")
def no_limit_accepted(no_limit: Reply) -> None:
    """A request without a limit on output tokens is accepted.

    The OpenAI SDKs send none unless the application sets one.
    """
    timed_out = no_limit.status in (504, 524)
    no_limit.accepted(case="nonstream-gateway-timeout" if timed_out else None)


@check(
    "default-limit",
    fix="Always send a limit on output tokens that is as large as your longest answer.",
    trial="should",
)
def default_limit(no_limit: Reply, hello: Reply, settings: Settings, profile: Profile) -> None:
    """Without a limit a long answer comes to its end.

    A small limit of the server's own crops answers after the migration, although the application has changed
    nothing.
    """
    answers = _answers(no_limit)
    window = _window(settings, profile)
    for reply in answers:
        text = reply.content or ""
        unseen = bool(reply.reasoning) and not text.strip()
        if reply.finish_reason != "length" or str(LAST) in text or not (unseen or _COUNTING.search(text)):
            continue
        total = dig(reply.find_usage() or {}, "total_tokens")
        if window is not None and is_int(total) and total >= 0.9 * window:
            unanswered("the context window was full")
        fail(
            f'finish_reason "length" after {_show_count(_used(reply))} tokens, text ends: …{text[-80:]}',
            expected=f"all numbers up to {LAST}",
            case="max-tokens-default-too-small",
        )
    if not any(str(LAST) in (reply.content or "") for reply in answers):
        _unproven(hello, f"the model did not count to {LAST}")


@check(
    "large-limit-accepted",
    fix="Lower the application's fixed limit to what the model allows.",
    chat="should",
    agent="should",
)
def large_limit_accepted(large_limit: Reply, no_limit: Reply, exchanges: Exchanges) -> None:
    """A large limit on output tokens is accepted.

    Applications carry a fixed limit from their old provider; an endpoint that refuses it instead of lowering
    it fails every request. OpenAI refuses limits above a model's own as well.
    """
    taken = [reply.cap for reply in (*exchanges.plain, *exchanges.streams) if reply.cap is not None]
    if taken:
        without = "; a request without one too" if no_limit.answered else ""
        note(f"limits of {min(taken)} to {max(taken)} tokens were accepted{without}")
    if _needs_stream(large_limit):
        blocked("large-limit-without-stream")
    _limit_sent(large_limit)
    large_limit.accepted(
        expected=f"200 for a limit of {large_limit.cap} tokens", case="max-tokens-above-limit-rejected"
    )


@check(
    "large-limit-without-stream",
    fix="Stream the requests with a large limit, or lower the limit below the one that the message names.",
)
def large_limit_without_stream(large_limit: Reply) -> None:
    """A large limit on output tokens needs no stream.

    Some servers take limits above a threshold in streams only, and plain requests of the application fail.
    """
    if _needs_stream(large_limit):
        fail(
            large_limit.excerpt,
            expected=f"200 for a limit of {large_limit.cap} tokens",
            case="max-tokens-requires-stream",
        )
    _limit_sent(large_limit)
    if large_limit.refused and 400 <= (large_limit.status or 0) < 500 and not _no_verdict(large_limit):
        note(f"refused for another reason than the missing stream: {large_limit.excerpt}")
        return
    large_limit.require()


def _needs_stream(reply: Reply) -> bool:
    refused = reply.status is not None and 400 <= reply.status < 500 and not _no_verdict(reply)
    return refused and "stream" in reply.error_text.casefold()


def _limit_sent(reply: Reply) -> None:
    if reply.cap is None:
        reply.require()
        blocked("max-tokens-accepted")


# --- stop texts


@probe(owner="stop-accepted", grounds=["hello"], quick=True)
async def stop_list(api: Api) -> Reply:
    """An answer that a list of stop texts must end."""
    return await api.chat(REPEAT, stop=[STOP], until=says("alpha"))


@probe(owner="stop-string-accepted", grounds=["hello", "stop_list"])
async def stop_string(api: Api) -> Reply:
    """An answer that a stop text sent as a string must end."""
    return await api.chat(REPEAT, stop=STOP, until=says("alpha"))


@check("stop-accepted", fix="Leave stop out and cut the text yourself.")
def stop_accepted(stop_list: Reply) -> None:
    """A list of stop texts is accepted.

    Prompt protocols and agents of the ReAct kind end the model's turn with it.
    """
    taken(stop_list, "stop-rejected")


@check("stop-string-accepted", fix='Send a list with the one text: stop: ["…"].')
def stop_string_accepted(stop_string: Reply) -> None:
    """A stop text may be a plain string.

    The parameter is a string or a list; applications that send the string fail where only the list is known.
    """
    taken(stop_string, "stop-string-type-rejected")


@check("stop-applied", fix="Cut the text at the stop text yourself, and close the stream there.")
def stop_applied(stop_list: Reply, hello: Reply) -> None:
    """The answer ends before the stop text.

    Where the text goes on or holds the stop text itself, parsers of prompt protocols read what was never
    meant for them.
    """
    _stops(stop_list, hello)


@check("stop-string-applied", fix='Send a list with the one text: stop: ["…"].')
def stop_string_applied(stop_string: Reply, stop_list: Reply, hello: Reply) -> None:
    """The answer ends before a stop text sent as a string.

    A server that knows only the list may take the string and ignore it, or read it as a list of letters.
    """
    answers = [reply for reply in stop_list.attempts if reply.answered]
    silent = bool(answers) and all(reply.reasoning and not _written(reply).strip() for reply in answers)
    if silent or any(STOP in _written(reply) for reply in answers):
        blocked("stop-applied")
    _stops(stop_string, hello)


@check("stop-finish-reason", fix="Do not branch on finish_reason where you send stop texts.")
def stop_finish_reason(stop_list: Reply, hello: Reply) -> None:
    """An answer ended by a stop text says "stop".

    With "length" the application takes the answer for a cut one and asks for its rest.
    """
    answers = _answers(stop_list)
    if any(STOP in _written(reply) for reply in answers):
        blocked("stop-applied")
    for reply in answers:
        reply.uncapped()
        text = (reply.content or "").casefold()
        if "alpha" in text and "delta" not in text:
            if _reason(reply) != "stop":
                fail(f'finish_reason "{reply.finish_reason}"', expected='"stop"', case="not-stop")
            return
    _unproven(hello, "the model did not begin to repeat the words")


# --- several choices


@probe(owner="n-accepted", grounds=["hello"])
async def two_choices(api: Api) -> Reply:
    """Two answers to one request."""
    return await api.chat("Name one colour. Reply with one word.", n=2)


@check("n-accepted", feature="n", fix="Ask as often as you need answers.")
def n_accepted(two_choices: Reply) -> None:
    """Several choices (n) may be asked for.

    Evaluation and best-of-n tools ask once for several answers.
    """
    taken(two_choices, "n-rejected")


@check("n-applied", feature="n", fix="Ask as often as you need answers.")
def n_applied(two_choices: Reply) -> None:
    """As many choices come as n asks for.

    Code that reads choices[1] fails, and best-of-n evaluation is wrong without a word where one choice comes.
    """
    found = len(two_choices.choices)
    if found != 2:
        fail(f"{found} choice{'' if found == 1 else 's'}", expected="2 choices", case="n-ignored")


@check("n-indexes", feature="n", fix="Use the position in the list instead of the index.")
def n_indexes(two_choices: Reply) -> None:
    """Several choices are numbered 0 and 1.

    Clients put choices into place by their index; two with the same one overwrite each other.
    """
    found = two_choices.choices
    if len(found) != 2:
        blocked("n-applied")
    indexes = [choice.get("index") for choice in found]
    if not all(is_int(index) for index in indexes):
        blocked("response-choice-index")
    if sorted(index for index in indexes if index is not None) != [0, 1]:
        fail(indexes, expected="[0, 1]", case="indexes-wrong")


# --- log probabilities


@probe(owner="logprobs-accepted", grounds=["hello"])
async def log_probabilities(api: Api) -> Reply:
    """An answer with the log probabilities of its tokens."""
    return await api.chat("Is water wet? Answer yes or no.", logprobs=True, top_logprobs=2)


def _log_entries(reply: Reply) -> list[dict[str, Any]]:
    """The entries of the first choice's tokens; blocked where there are none, or of another shape."""
    value = _logprobs(reply)
    content = value.get("content") if isinstance(value, dict) else None
    if not value or content in (None, []):
        blocked("logprobs-shape" if value and content is None else "logprobs-present")
    if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
        blocked("logprobs-shape")
    return content


def _logprobs(reply: Reply) -> Any:
    choice = reply.choices[0]
    reply.uncapped()
    return choice.get("logprobs")


@check("logprobs-accepted", feature="logprobs", fix="Leave logprobs out; classify by the text of the answer.")
def logprobs_accepted(log_probabilities: Reply) -> None:
    """Log probabilities may be asked for.

    Classifiers and evaluations read them.
    """
    status = log_probabilities.status
    text = log_probabilities.error_text.casefold()
    crashed = status is not None and status >= 500 and ("out of range float" in text or "infin" in text)
    log_probabilities.accepted(case="logprobs-infinity-500" if crashed else "logprobs-rejected")


@check(
    "logprobs-present", feature="logprobs", fix="Classify by the text of the answer, or by several answers."
)
def logprobs_present(log_probabilities: Reply) -> None:
    """Log probabilities come when they are asked for.

    Where they are dropped, code that reads choices[0].logprobs.content fails.
    """
    value = _logprobs(log_probabilities)
    if not value or (isinstance(value, dict) and value.get("content") == []):
        _ = log_probabilities.text  # without text there is nothing to be probable
        fail(
            f"logprobs: {'null' if value is None else value}",
            expected="logprobs.content with an entry for each token",
            case="logprobs-dropped",
        )


@check("logprobs-shape", feature="logprobs", fix="Read the shape that is shown, beside the one of OpenAI.")
def logprobs_shape(log_probabilities: Reply) -> None:
    """Log probabilities have the shape of chat completions.

    The older completions API had lists of tokens and of numbers instead; typed clients then find nothing.
    """
    value = _logprobs(log_probabilities)
    if not value or (isinstance(value, dict) and value.get("content") == []):
        blocked("logprobs-present")
    legacy = isinstance(value, dict) and ("tokens" in value or "token_logprobs" in value)
    content = value.get("content") if isinstance(value, dict) else None
    if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
        fail(
            _head(value),
            expected="{content: [{token, logprob, bytes, top_logprobs}]}",
            case="logprobs-legacy-shape" if legacy else "other-shape",
        )


@check(
    "logprobs-values",
    feature="logprobs",
    fix="Leave out the entries that are no number before you calculate.",
)
def logprobs_values(log_probabilities: Reply) -> None:
    """Each token has a text and a finite log probability.

    A missing one, or a number above 0, makes every confidence that is computed from it wrong.
    """
    for entry in _log_entries(log_probabilities):
        if not isinstance(entry.get("token"), str):
            fail(_head(entry), expected="token: a string", case="token-missing")
        value = entry.get("logprob")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            fail(_head(entry), expected="logprob: a number", case="logprob-missing")
        if isinstance(value, float) and not math.isfinite(value):
            fail(_head(entry), expected="logprob: a finite number", case="not-finite")
        if value > 0.001:
            fail(_head(entry), expected="logprob: at most 0", case="above-zero")


@check(
    "top-logprobs",
    feature="logprobs",
    fix="Read only as many alternatives as you asked for, and none where they are missing.",
)
def top_logprobs(log_probabilities: Reply) -> None:
    """Each token has its likeliest alternatives, as many as asked for.

    The Vercel AI SDK and async-openai refuse an answer whose entries lack the list.
    """
    for entry in _log_entries(log_probabilities):
        alternatives = entry.get("top_logprobs")
        if not isinstance(alternatives, list):
            fail(_head(entry), expected="top_logprobs: an array", case="top-logprobs-missing")
        if len(alternatives) > 2:
            fail(f"{len(alternatives)} alternatives", expected="at most 2", case="too-many")


def _head(value: object) -> Any:
    """A value as evidence, short enough to read."""
    if isinstance(value, dict):
        return {name: part[:2] if isinstance(part, list) else part for name, part in list(value.items())[:6]}
    return value


# --- the negotiated basics


@check(
    "temperature-accepted",
    fix="Leave temperature out for this model, or send the value that the message names.",
)
def temperature_accepted(basics: Replies) -> None:
    """Temperature 0 is accepted.

    Applications that want repeatable answers send it with every request; some models take one fixed value
    only.
    """
    asked = basics.part("temperature")
    fixed = bool(_FIXED.search(asked.error_text)) if asked.refused else False
    asked.accepted(case="temperature-fixed-value" if fixed else "sampling-boundary-values-rejected")


@check(
    "thinking-switch-accepted",
    fix="Name this model's switch in the profile (thinking.off), or run it thinking, with a larger limit.",
    chat="should",
    agent="should",
)
def thinking_switch_accepted(basics: Replies, profile: Profile) -> None:
    """The profile's switch that turns thinking off is accepted.

    The switch has another name at each provider; with the wrong one each request is refused.
    """
    asked = _switch(basics, profile)
    other = asked.refused and "reasoning_effort" in asked.sent and _VALUES.search(asked.error_text)
    asked.accepted(case="reasoning-effort-enum-differs" if other else "reasoning-control-params-differ")


@check(
    "thinking-switch-applied",
    fix="Look up the switch of this model, or allow for the thinking in limits, time and cost.",
    chat="should",
    agent="should",
)
def thinking_switch_applied(basics: Replies, profile: Profile) -> None:
    """With thinking switched off no thinking text comes.

    A switch that is taken and ignored leaves the application with slow answers and with tokens that it pays
    for unseen.
    """
    asked = _switch(basics, profile)
    if asked.refused:
        blocked("thinking-switch-accepted")
    _ = asked.message
    if asked.reasoning:
        fail(asked.reasoning[:200], expected="no thinking text", case="reasoning-control-params-differ")


def _switch(basics: Replies, profile: Profile) -> Reply:
    if profile.thinking is None or not profile.thinking.off:
        skip("no switch for thinking is known for this endpoint")
    asked = basics.part("thinking")
    if not all(name in asked.sent for name in profile.thinking.off):
        skip("the run did not ask with thinking off")
    return asked


@check(
    "stream-options-accepted",
    feature="streaming",
    fix="Leave stream_options out (stream_usage=False in LangChain) and estimate a stream's tokens.",
)
def stream_options_accepted(basics: Replies) -> None:
    """A stream may ask for its usage (stream_options).

    The Vercel AI SDK, LangChain for JavaScript and Pydantic AI send it with every stream, so that a refusal
    ends each.
    """
    asked = basics["stream"]
    if asked.refused and "stream-bare" in basics and basics["stream-bare"].refused:
        blocked("stream-accepted")
    taken(asked, "stream-options-rejected")


# --- parameters at their neutral value

_WHY_SAMPLING = (
    "Chat front-ends send all sampling parameters with every request, at their neutral values where the user "
    "has set nothing. A refusal ends each request although the connection test has passed."
)
_WHY_OPTIONAL = (
    "OpenAI documents it, so applications written for OpenAI send it. An endpoint that knows only its "
    "own list refuses the whole request."
)
_FIX_OMIT = "Leave {name} out for this endpoint (drop_params in LiteLLM, or an option of your client)."

_NEUTRAL: dict[str, tuple[Any, str, str]] = {
    "temperature": (1, "temperature-fixed-value", "must"),
    "top_p": (1, "sampling-boundary-values-rejected", "must"),
    "presence_penalty": (0, "penalty-params-rejected", "must"),
    "frequency_penalty": (0, "penalty-params-rejected", "must"),
    "logit_bias": ({}, "unknown-top-level-param-rejected", "should"),
    "seed": (7, "unknown-top-level-param-rejected", "should"),
    "user": ("llmcompat", "unknown-top-level-param-rejected", "should"),
    "store": (False, "unknown-top-level-param-rejected", "should"),
    "service_tier": ("auto", "unknown-top-level-param-rejected", "should"),
    "prompt_cache_key": ("llmcompat", "unknown-top-level-param-rejected", "should"),
    "safety_identifier": ("llmcompat", "unknown-top-level-param-rejected", "should"),
}
"""Parameter to its neutral value, the case of its refusal, and the level for chat and agents."""


@probe(owner="neutral-parameters-accepted", grounds=["hello"])
async def neutral_parameters(api: Api) -> Replies:
    """All optional parameters at the values that change nothing."""
    options = {name: {name: value} for name, (value, _, _) in _NEUTRAL.items()}
    return await api.bundle({"messages": "Reply with exactly this word and nothing else: neutral"}, options)


@check(
    "neutral-parameters-accepted",
    fix="Send only the parameters whose value you have changed.",
    chat="should",
    agent="should",
)
def neutral_parameters_accepted(neutral_parameters: Replies) -> None:
    """All optional parameters are accepted together.

    Front-ends send them all at once; some servers refuse combinations, such as temperature beside top_p.
    """
    _together(neutral_parameters)


def _neutral_id(name: str) -> str:
    return "temperature-default-accepted" if name == "temperature" else f"{name.replace('_', '-')}-accepted"


def _unknown(neutral_parameters: Replies) -> dict[str, str]:
    """The parameters that are refused even at their neutral value, each with the check that says so."""
    return {
        name: _neutral_id(name)
        for name in _NEUTRAL
        if name in neutral_parameters and neutral_parameters[name].refused
    }


def _neutral(name: str, value: Any, case: str, level: str) -> Check:
    def accepted(neutral_parameters: Replies, basics: Replies) -> None:
        if name == "temperature" and basics.part("temperature").refused:
            blocked("temperature-accepted")  # the same deviation, said there
        whole = neutral_parameters[BUNDLE]
        if whole.answered and name not in whole.sent:
            unanswered(f"{name} was not sent")
        taken(neutral_parameters.part(name), case)

    shown = {"": '""'}.get(str(value), str(value)).lower() if not isinstance(value, str) else f'"{value}"'
    title = f"The parameter {name}: {shown} is accepted."
    accepted.__doc__ = f"{title}\n\n{_WHY_SAMPLING if level == 'must' else _WHY_OPTIONAL}"
    id = _neutral_id(name)
    return check(id, fix=_FIX_OMIT.format(name=name), chat=level, agent=level)(accepted)


NEUTRAL_CHECKS: tuple[Check, ...] = tuple(_neutral(name, *row) for name, row in _NEUTRAL.items())


# --- extreme, invented and null parameters


@probe(owner="sampling-boundaries-accepted", grounds=["hello"])
async def boundary_values(api: Api) -> Replies:
    """Sampling parameters at the ends of their ranges."""
    return await api.bundle(
        {"messages": "Reply with exactly this word and nothing else: boundary", "cap": 64},
        {"temperature": {"temperature": 2}, "top_p": {"top_p": 0.01}},
    )


@check(
    "sampling-boundaries-accepted",
    fix="Keep to the range that the message names.",
    chat="should",
    agent="should",
)
def sampling_boundaries_accepted(
    boundary_values: Replies, neutral_parameters: Replies, basics: Replies
) -> None:
    """Temperature 2 and top_p 0.01 are accepted.

    They are inside the documented ranges; an endpoint with narrower ones refuses what users set with a
    slider.
    """
    known = _unknown(neutral_parameters)
    if basics.part("temperature").refused:
        known["temperature"] = "temperature-accepted"
    _each(
        boundary_values,
        "200 for temperature 2 and for top_p 0.01",
        "sampling-boundary-values-rejected",
        known,
    )


@probe(owner="invented-parameter-answered", grounds=["hello"])
async def invented_parameter(api: Api) -> Reply:
    """A parameter that no endpoint can know."""
    return await api.chat(
        "Reply with exactly this word and nothing else: invented", llmcompat_invented_parameter=True
    )


@check("invented-parameter-answered", fix="Send no parameter that this endpoint does not document.")
def invented_parameter_answered(invented_parameter: Reply, wrong_type: Reply) -> None:
    """A parameter that nobody knows is ignored, or refused with 4xx.

    Both are legal. A crash (5xx) or no answer at all makes clients ask again and again.
    """
    status = invented_parameter.status
    if status is not None and 400 <= status < 500 and not _no_verdict(invented_parameter):
        note(f"an unknown parameter is refused: {invented_parameter.excerpt}")
        return
    if status is not None and status >= 500 and (wrong_type.status or 0) >= 500:
        blocked("client-error-status")  # whatever is wrong is answered so
    invented_parameter.accepted(expected="200, or a 4xx that names the parameter")
    note("an unknown parameter is ignored: a misspelt name goes unnoticed")


_NULLS = ("stop", "tools", "tool_choice", "seed", "user", "logit_bias", "response_format", "top_p", "n")
"""Parameters that typed SDKs send as null where nothing is set."""


@probe(owner="null-parameters-accepted", grounds=["hello"])
async def null_parameters(api: Api) -> Replies:
    """Optional parameters as null."""
    common = {"messages": "Reply with exactly this word and nothing else: nothing"}
    return await api.bundle(common, {name: {name: None} for name in _NULLS})


@check(
    "null-parameters-accepted",
    fix="Leave out what is not set (exclude_none, omitempty) before the request is sent.",
)
def null_parameters_accepted(null_parameters: Replies, neutral_parameters: Replies) -> None:
    """Optional parameters may be null.

    OpenAI takes null for an optional parameter as if it were absent, and typed SDKs write what is not set as
    null.
    """
    _each(
        null_parameters,
        "200 for each optional parameter that is null",
        "explicit-null-params-rejected",
        _unknown(neutral_parameters),
    )
