"""Checks of parameters: acceptance and effect, judged on literal answers."""

from typing import Any

import pytest

from llmcompat.model import Status
from llmcompat.profiles.loader import load_profile
from llmcompat.reply import BUNDLE, Replies, Reply
from tests.checking import (
    Judgement,
    answer,
    attempts,
    checklist,
    chunk_list,
    completion,
    demo_settings,
    exchanges,
    judge,
    stream,
)

PROFILE = load_profile("demo")
SWITCHED = PROFILE.model_copy(
    update={"thinking": load_profile("openai").thinking}  # its switch: reasoning_effort "none"
)
SAID = {"messages": [{"role": "user", "content": "Reply with exactly this word and nothing else: amber"}]}
OBEYED = answer(completion("Amber."), sent=SAID)
RAMBLED = answer(completion("Colourless green ideas."), sent=SAID)

COUNTED = ", ".join(str(number) for number in range(1, 201))
LONG = ", ".join(str(number) for number in range(1, 301))
CUT = "1, 2, 3, 4, 5, 6"


def usage(tokens: Any) -> dict[str, Any]:
    total = 20 + (tokens if isinstance(tokens, int) else 0)
    return {"prompt_tokens": 20, "completion_tokens": tokens, "total_tokens": total}


def refusal(status: int | None = 400, message: str = "Unsupported parameter", **options: Any) -> Reply:
    return answer({"error": {"message": message, "type": "invalid_request_error"}}, status=status, **options)


def plain(text: Any, reason: str, tokens: Any = 16, sent: dict[str, Any] | None = None, **more: Any) -> Reply:
    counted = None if tokens is None else usage(tokens)
    return answer(
        completion(text, finish_reason=reason, usage=counted, **more), sent=sent or {"max_tokens": 16}
    )


def streamed(text: str, reason: str, tokens: Any = 16, name: str = "max_tokens") -> Reply:
    counted = None if tokens is None else usage(tokens)
    return stream(chunk_list(text, finish_reason=reason, usage=counted), sent={name: 16})


def outcome(result: Judgement) -> str:
    """How it ended, in one word: pass, the case, the blocking check, or "unanswered"."""
    if result.status is Status.FAIL:
        assert result.seen
        assert result.expected
        return result.case or "?"
    if result.status is Status.ERROR:
        return f"blocked by {result.blocked_by}" if result.blocked_by else "unanswered"
    return str(result.status.value)


def judge_on(id: str, probe: str, reply: Reply | Replies, **more: Any) -> Judgement:
    """A check that is given one probe by name."""
    beside = {"neutral_parameters": parts(all=WHOLE), "basics": parts(all=BASIC), "hello": OBEYED}
    beside |= {"no_limit": WHOLE, "exchanges": exchanges()}
    evidence: dict[str, Any] = {**beside, **more, probe: reply}
    return judge(id, **evidence)


# --- what is refused

ACCEPTED = [
    ("max-tokens-accepted", "max_tokens_small", "max-tokens-rejected"),
    ("max-completion-tokens-accepted", "max_completion_tokens_small", "max-completion-tokens-rejected"),
    ("stop-accepted", "stop_list", "stop-rejected"),
    ("stop-string-accepted", "stop_string", "stop-string-type-rejected"),
    ("n-accepted", "two_choices", "n-rejected"),
    ("logprobs-accepted", "log_probabilities", "logprobs-rejected"),
    ("large-limit-accepted", "large_limit", "max-tokens-above-limit-rejected"),
    ("max-tokens-stream-accepted", "max_tokens_small_stream", "?"),
    ("no-limit-accepted", "no_limit", "?"),
]


@pytest.mark.parametrize(("id", "probe", "case"), ACCEPTED)
def test_a_refusal_is_told_once_and_the_wire_is_to_blame(id: str, probe: str, case: str) -> None:
    sent = {"max_tokens": 16}
    assert outcome(judge_on(id, probe, answer(completion(), sent=sent))) == "pass"
    assert outcome(judge_on(id, probe, refusal(sent=sent))) == case
    assert outcome(judge_on(id, probe, refusal(429, sent=sent))) == "unanswered"
    blocked = refusal(sent=sent, grounds=[refusal(owner="chat-accepted")])
    assert outcome(judge_on(id, probe, blocked)) == "blocked by chat-accepted"


@pytest.mark.parametrize(
    "id",
    [
        "max-tokens-applied",
        "max-completion-tokens-applied",
        "length-finish-reason",
        "default-limit",
        "stop-applied",
        "stop-string-applied",
        "stop-finish-reason",
        "n-applied",
        "n-indexes",
        "logprobs-present",
        "logprobs-shape",
        "logprobs-values",
        "top-logprobs",
    ],
)
def test_a_refused_request_has_no_effect_to_judge(id: str) -> None:
    check = checklist().checks[id]
    gone = refusal(owner="its-owner")
    evidence: dict[str, Any] = {
        name: gone for name in check.needs if name not in ("hello", "settings", "profile")
    }
    assert judge(id, hello=OBEYED, **evidence).blocked_by == "its-owner"


# --- limits


CAPS = [
    (plain(CUT, "length"), "pass", "pass"),
    (plain("", "length", reasoning="think"), "pass", "pass"),
    (plain(None, "length"), "pass", "pass"),
    (plain(CUT, "length", 18), "pass", "pass"),
    (plain(CUT, "length", 90), "pass", "pass"),
    (plain(CUT, "stop", 18), "pass", "finish-reason-stop-when-truncated"),
    (plain(CUT, "length", None), "pass", "pass"),
    (plain(COUNTED, "stop", 590), "max-tokens-ignored", "blocked by max-tokens-applied"),
    (plain(COUNTED, "stop", None), "max-tokens-ignored", "blocked by max-tokens-applied"),
    (plain(COUNTED, "length", 16), "max-tokens-ignored", "blocked by max-tokens-applied"),
    (plain(CUT, "stop", 300), "max-tokens-ignored", "blocked by max-tokens-applied"),
    (plain(CUT, "stop", 16), "pass", "finish-reason-stop-when-truncated"),
    (plain(CUT, "content_filter", 16), "pass", "finish-reason-stop-when-truncated"),
    (plain(CUT, "stop", None), "blocked by usage-present", "blocked by usage-present"),
    (plain(CUT, "stop", "16"), "blocked by usage-integers", "blocked by usage-integers"),
    (plain(CUT, "max_tokens", 16), "blocked by response-finish-reason", "blocked by response-finish-reason"),
    (plain("Sure!", "stop", 3), "unanswered", "unanswered"),
    (attempts(plain("Sure!", "stop", 3), plain("No.", "stop", 16)), "pass", "unanswered"),
    (attempts(plain("Sure!", "stop", 3), plain(CUT, "length", 16)), "pass", "pass"),
    (attempts(plain("Sure!", "stop", 3), refusal(429)), "unanswered", "unanswered"),
    (
        attempts(plain(COUNTED, "stop", 590), plain(CUT, "length")),
        "max-tokens-ignored",
        "blocked by max-tokens-applied",
    ),
]


@pytest.mark.parametrize(("reply", "applied", "length"), CAPS)
def test_limits(reply: Reply, applied: str, length: str) -> None:
    assert outcome(judge("max-tokens-applied", max_tokens_small=reply, hello=OBEYED)) == applied
    assert outcome(judge("length-finish-reason", max_tokens_small=reply, hello=OBEYED)) == length
    current = outcome(judge("max-completion-tokens-applied", max_completion_tokens_small=reply, hello=OBEYED))
    assert current == applied.replace("max-tokens", "max-completion-tokens")


def test_a_model_that_obeys_nothing_is_told_by_the_control() -> None:
    brief = plain("Sure!", "stop", 3)
    for id in ("max-tokens-applied", "length-finish-reason"):
        assert judge(id, max_tokens_small=brief, hello=RAMBLED).blocked_by == "exact-reply"


def bounded() -> Reply:
    """A stream that ran on until it was longer than is read."""
    return stream(chunk_list(COUNTED)[:-3], sent={"max_tokens": 16}, ended="bounded")


GOOD = plain(CUT, "length")
IGNORED = plain(COUNTED, "stop", 590)
STREAMED_CAPS = [
    (streamed(CUT, "length"), GOOD, "pass", "pass"),
    (streamed(COUNTED, "stop", 590), GOOD, "max-tokens-ignored", "blocked by max-tokens-applied-stream"),
    (bounded(), GOOD, "max-tokens-ignored", "blocked by max-tokens-applied-stream"),
    (
        streamed(COUNTED, "stop", 590),
        IGNORED,
        "blocked by max-tokens-applied",
        "blocked by max-tokens-applied-stream",
    ),
    (streamed(CUT, "stop"), GOOD, "pass", "finish-reason-stop-when-truncated"),
    (streamed(CUT, "stop"), plain(CUT, "stop"), "pass", "blocked by length-finish-reason"),
    (streamed(CUT, "eos"), GOOD, "blocked by stream-finish-reason", "blocked by stream-finish-reason"),
    (streamed(CUT, "stop", None), GOOD, "blocked by stream-usage", "blocked by stream-usage"),
    (streamed("Hm.", "stop", 2), GOOD, "unanswered", "unanswered"),
    (stream(sent={}), GOOD, "blocked by max-tokens-accepted", "blocked by max-tokens-accepted"),
]


@pytest.mark.parametrize(("reply", "twin", "applied", "length"), STREAMED_CAPS)
def test_limits_of_streams(reply: Reply, twin: Reply, applied: str, length: str) -> None:
    evidence: dict[str, Any] = {
        "max_tokens_small_stream": reply,
        "max_tokens_small": twin,
        "max_completion_tokens_small": GOOD,
        "hello": OBEYED,
    }
    assert outcome(judge("max-tokens-applied-stream", **evidence)) == applied
    assert outcome(judge("length-finish-reason-stream", **evidence)) == length


def test_a_stream_under_the_other_name_is_compared_with_its_own_twin() -> None:
    result = judge(
        "max-tokens-applied-stream",
        max_tokens_small_stream=streamed(COUNTED, "stop", 590, name="max_completion_tokens"),
        max_tokens_small=refusal(),
        max_completion_tokens_small=IGNORED,
        hello=OBEYED,
    )
    assert result.blocked_by == "max-completion-tokens-applied"


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (plain(LONG, "stop", 900), "pass"),
        (plain("1, 2, 3, …, 300", "stop", 9), "pass"),
        (plain(LONG, "length", 900), "pass"),
        (plain(LONG[:600], "length", 256), "max-tokens-default-too-small"),
        (plain("", "length", 256, message={"reasoning_content": "1, 2"}), "max-tokens-default-too-small"),
        (plain("Colourless green ideas.", "length", 256), "unanswered"),
        (plain("I would rather not.", "stop", 6), "unanswered"),
        (plain(LONG[:600], "length", 32_000), "unanswered"),
        (attempts(plain("No.", "stop", 2), plain(LONG, "stop", 900)), "pass"),
        (
            attempts(plain(LONG[:600], "length", 256), plain(LONG, "stop", 900)),
            "max-tokens-default-too-small",
        ),
    ],
)
def test_default_limit(reply: Reply, expected: str) -> None:
    assert outcome(judge("default-limit", no_limit=reply, hello=OBEYED)) == expected


@pytest.mark.parametrize(
    ("reply", "accepted", "streamless"),
    [
        (plain("ready", "stop", 2, {"max_tokens": 8192}), "pass", "pass"),
        (
            refusal(
                message="Requests with max_tokens > 4096 must have stream=true", sent={"max_tokens": 8192}
            ),
            "blocked by large-limit-without-stream",
            "max-tokens-requires-stream",
        ),
        (
            refusal(
                message="the valid range of max_tokens is [1, 4096]",
                sent={"max_tokens": 8192},
                owner="large-limit-accepted",
            ),
            "max-tokens-above-limit-rejected",
            "pass",
        ),
        (
            plain("ready", "stop", 2, {"temperature": 0}),
            "blocked by max-tokens-accepted",
            "blocked by max-tokens-accepted",
        ),
        (refusal(429, "too many streams", sent={"max_tokens": 8192}), "unanswered", "unanswered"),
    ],
)
def test_large_limit(reply: Reply, accepted: str, streamless: str) -> None:
    found = judge_on("large-limit-accepted", "large_limit", reply)
    assert outcome(found) == accepted
    assert outcome(judge("large-limit-without-stream", large_limit=reply)) == streamless


def test_the_range_of_limits_that_works_is_told() -> None:
    asked = [plain("1, 2", "length", 16, {"max_tokens": 16}), plain("ready", "stop", 2, {"max_tokens": 1024})]
    refused = refusal(message="[1, 4096]", sent={"max_tokens": 8192}, owner="large-limit-accepted")
    found = judge_on("large-limit-accepted", "large_limit", refused, exchanges=exchanges(*asked, refused))
    assert outcome(found) == "max-tokens-above-limit-rejected"
    assert found.notes == ("limits of 16 to 1024 tokens were accepted; a request without one too",)


# --- stop texts


def stopped(text: Any, reason: str = "stop", **more: Any) -> Reply:
    return plain(text, reason, 6, {"stop": ["gamma"], "max_tokens": 1024}, **more)


STOPS = [
    (stopped("alpha beta "), "pass", "pass"),
    (stopped("Alpha, beta,"), "pass", "pass"),
    (stopped("alpha beta gamma delta"), "stop-ignored", "blocked by stop-applied"),
    (stopped("alpha beta gamma"), "stop-string-included", "blocked by stop-applied"),
    (stopped("alpha beta gamma \n"), "stop-string-included", "blocked by stop-applied"),
    (stopped("alpha beta ", "length"), "pass", "not-stop"),
    (stopped("alpha beta ", "stop_sequence"), "pass", "blocked by response-finish-reason"),
    (stopped("alpha beta Gamma delta"), "unanswered", "unanswered"),
    (stopped("I repeat nothing."), "unanswered", "unanswered"),
    (stopped("", message={"reasoning_content": "Say alpha beta"}), "stop-cuts-reasoning", "unanswered"),
    (stopped(None), "unanswered", "unanswered"),
    (stopped([{"type": "text"}]), "blocked by response-content", "blocked by response-content"),
    (attempts(stopped("Hm."), stopped("alpha beta ")), "pass", "pass"),
    (
        attempts(stopped("Hm, gamma it is."), stopped("alpha beta ")),
        "stop-ignored",
        "blocked by stop-applied",
    ),
]


@pytest.mark.parametrize(("reply", "applied", "reason"), STOPS)
def test_stop(reply: Reply, applied: str, reason: str) -> None:
    assert outcome(judge("stop-applied", stop_list=reply, hello=OBEYED)) == applied
    assert outcome(judge("stop-finish-reason", stop_list=reply, hello=OBEYED)) == reason
    as_string = judge(
        "stop-string-applied", stop_string=reply, stop_list=stopped("alpha beta "), hello=OBEYED
    )
    assert outcome(as_string) == applied


def test_stop_ignored_in_both_forms_is_told_once() -> None:
    ignored = stopped("alpha beta gamma delta")
    result = judge("stop-string-applied", stop_string=ignored, stop_list=ignored, hello=OBEYED)
    assert result.blocked_by == "stop-applied"


def test_stop_that_cuts_the_thinking_in_both_forms_is_told_once() -> None:
    silent = plain("", "stop", 4, message={"content": "", "reasoning_content": "I repeat alpha beta"})
    result = judge("stop-applied", stop_list=silent, hello=OBEYED)
    assert outcome(result) == "stop-cuts-reasoning"
    result = judge("stop-string-applied", stop_string=silent, stop_list=silent, hello=OBEYED)
    assert outcome(result) == "blocked by stop-applied"


def test_stop_and_a_model_that_obeys_nothing() -> None:
    reply = stopped("Colourless green ideas.")
    assert judge("stop-applied", stop_list=reply, hello=RAMBLED).blocked_by == "exact-reply"


def test_stop_and_an_answer_that_the_cap_cut() -> None:
    cut = plain("Let me think", "length", 1024, {"stop": ["gamma"], "max_tokens": 1024})
    assert outcome(judge("stop-applied", stop_list=cut, hello=OBEYED)) == "unanswered"


# --- several choices


def several(*indexes: Any) -> Reply:
    document = completion()
    first = document["choices"][0]
    document["choices"] = [first | {"index": index} for index in indexes]
    return answer(document, sent={"n": 2})


@pytest.mark.parametrize(
    ("reply", "applied", "indexes"),
    [
        (several(0, 1), "pass", "pass"),
        (several(1, 0), "pass", "pass"),
        (several(0), "n-ignored", "blocked by n-applied"),
        (several(0, 1, 2), "n-ignored", "blocked by n-applied"),
        (several(0, 0), "pass", "indexes-wrong"),
        (several(1, 2), "pass", "indexes-wrong"),
        (several(0, None), "pass", "blocked by response-choice-index"),
        (several(), "blocked by response-choices", "blocked by response-choices"),
    ],
)
def test_several_choices(reply: Reply, applied: str, indexes: str) -> None:
    assert outcome(judge("n-applied", two_choices=reply)) == applied
    assert outcome(judge("n-indexes", two_choices=reply)) == indexes


# --- log probabilities


def entry(**changes: Any) -> dict[str, Any]:
    top = {"token": "Yes", "logprob": -0.1}
    good = {**top, "bytes": [89, 101, 115], "top_logprobs": [top]}
    return {name: value for name, value in (good | changes).items() if value is not ...}


def probable(value: Any) -> Reply:
    document = completion("Yes")
    document["choices"][0]["logprobs"] = value
    if value is ...:
        del document["choices"][0]["logprobs"]
    return answer(document, sent={"logprobs": True, "top_logprobs": 2})


def with_entry(**changes: Any) -> Reply:
    return probable({"content": [entry(), entry(**changes)], "refusal": None})


DROPPED = ("logprobs-dropped", *["blocked by logprobs-present"] * 3)
LEGACY = {"tokens": ["Yes"], "token_logprobs": [-0.1], "top_logprobs": [{}]}


@pytest.mark.parametrize(
    ("reply", "outcomes"),
    [
        (with_entry(), ("pass",) * 4),
        (with_entry(logprob=0, bytes=None), ("pass",) * 4),
        (with_entry(logprob=-9999.0, bytes=..., top_logprobs=[]), ("pass",) * 4),
        (probable(None), DROPPED),
        (probable(...), DROPPED),
        (probable({}), DROPPED),
        (probable({"content": []}), DROPPED),
        (probable(LEGACY), ("pass", "logprobs-legacy-shape", *["blocked by logprobs-shape"] * 2)),
        (probable([-0.1]), ("pass", "other-shape", *["blocked by logprobs-shape"] * 2)),
        (
            probable({"content": None, "tokens": ["a"]}),
            ("pass", "logprobs-legacy-shape", *["blocked by logprobs-shape"] * 2),
        ),
        (probable({"content": [-0.1]}), ("pass", "other-shape", *["blocked by logprobs-shape"] * 2)),
        (probable({"content": {"Yes": -0.1}}), ("pass", "other-shape", *["blocked by logprobs-shape"] * 2)),
        (with_entry(token=...), ("pass", "pass", "token-missing", "pass")),
        (with_entry(logprob="-0.1"), ("pass", "pass", "logprob-missing", "pass")),
        (with_entry(logprob=None), ("pass", "pass", "logprob-missing", "pass")),
        (with_entry(logprob=1.5), ("pass", "pass", "above-zero", "pass")),
        (with_entry(logprob=10**200), ("pass", "pass", "above-zero", "pass")),
        (with_entry(top_logprobs=...), ("pass", "pass", "pass", "top-logprobs-missing")),
        (with_entry(top_logprobs=[{}, {}, {}]), ("pass", "pass", "pass", "too-many")),
        (answer(b'{"choices": [{"logprobs": -Infinity}]}'), ("blocked by response-json",) * 4),
        (
            answer(completion("Yes", finish_reason="length", usage=None), sent={"max_tokens": 9}),
            ("unanswered",) * 4,
        ),
    ],
)
def test_log_probabilities(reply: Reply, outcomes: tuple[str, ...]) -> None:
    ids = ("logprobs-present", "logprobs-shape", "logprobs-values", "top-logprobs")
    assert tuple(outcome(judge(id, log_probabilities=reply)) for id in ids) == outcomes


def test_a_number_too_large_for_json_is_not_finite() -> None:
    body = b'{"choices": [{"logprobs": {"content": [{"token": "Yes", "logprob": -1e400}]}}]}'
    assert outcome(judge("logprobs-values", log_probabilities=answer(body))) == "not-finite"


def test_a_crash_on_infinity_has_a_case_of_its_own() -> None:
    crashed = refusal(500, "Out of range float values are not JSON compliant")
    assert outcome(judge("logprobs-accepted", log_probabilities=crashed)) == "logprobs-infinity-500"


# --- the negotiated basics


def parts(**replies: Reply) -> Replies:
    named = {name.replace("_bare", "-bare"): reply for name, reply in replies.items()}
    return Replies(named, "basics", "chat-accepted")


BASIC = answer(completion(), sent={"temperature": 0, "reasoning_effort": "none"})


@pytest.mark.parametrize(
    ("basics", "expected"),
    [
        (parts(all=BASIC), "pass"),
        (parts(all=refusal(), temperature=BASIC, max_tokens=refusal()), "pass"),
        (
            parts(
                all=refusal(),
                temperature=refusal(message="invalid temperature: only 1 is allowed for this model"),
            ),
            "temperature-fixed-value",
        ),
        (
            parts(all=refusal(), temperature=refusal(message="must be above 0")),
            "sampling-boundary-values-rejected",
        ),
        (parts(all=refusal(429), temperature=refusal(429)), "unanswered"),
    ],
)
def test_temperature(basics: Replies, expected: str) -> None:
    assert outcome(judge("temperature-accepted", basics=basics)) == expected


THOUGHT = answer(completion(message={"reasoning_content": "Hm."}), sent={"reasoning_effort": "none"})


@pytest.mark.parametrize(
    ("basics", "profile", "accepted", "applied"),
    [
        (parts(all=BASIC), SWITCHED, "pass", "pass"),
        (parts(all=BASIC), PROFILE, "skip", "skip"),
        (parts(all=answer(completion())), SWITCHED, "skip", "skip"),
        (parts(all=THOUGHT), SWITCHED, "pass", "reasoning-control-params-differ"),
        (
            parts(
                all=refusal(),
                thinking=refusal(sent={"reasoning_effort": "none"}, owner="thinking-switch-accepted"),
            ),
            SWITCHED,
            "reasoning-control-params-differ",
            "blocked by thinking-switch-accepted",
        ),
    ],
)
def test_thinking_switch(basics: Replies, profile: Any, accepted: str, applied: str) -> None:
    assert outcome(judge("thinking-switch-accepted", basics=basics, profile=profile)) == accepted
    assert outcome(judge("thinking-switch-applied", basics=basics, profile=profile)) == applied


@pytest.mark.parametrize(
    ("basics", "expected"),
    [
        (parts(all=BASIC, stream=stream()), "pass"),
        (parts(all=BASIC, stream=refusal(), stream_bare=stream()), "stream-options-rejected"),
        (parts(all=BASIC, stream=refusal(), stream_bare=refusal()), "blocked by stream-accepted"),
        (parts(all=BASIC, stream=refusal(429), stream_bare=stream()), "unanswered"),
        (parts(all=BASIC), "unanswered"),
    ],
)
def test_stream_options(basics: Replies, expected: str) -> None:
    assert outcome(judge("stream-options-accepted", basics=basics)) == expected


# --- bundles

NEUTRAL = {
    "temperature": ("temperature-default-accepted", "temperature-fixed-value"),
    "top_p": ("top-p-accepted", "sampling-boundary-values-rejected"),
    "presence_penalty": ("presence-penalty-accepted", "penalty-params-rejected"),
    "frequency_penalty": ("frequency-penalty-accepted", "penalty-params-rejected"),
    "logit_bias": ("logit-bias-accepted", "unknown-top-level-param-rejected"),
    "seed": ("seed-accepted", "unknown-top-level-param-rejected"),
    "user": ("user-accepted", "unknown-top-level-param-rejected"),
    "store": ("store-accepted", "unknown-top-level-param-rejected"),
    "service_tier": ("service-tier-accepted", "unknown-top-level-param-rejected"),
    "prompt_cache_key": ("prompt-cache-key-accepted", "unknown-top-level-param-rejected"),
    "safety_identifier": ("safety-identifier-accepted", "unknown-top-level-param-rejected"),
}
WHOLE = answer(completion(), sent=dict.fromkeys(NEUTRAL, 0))


@pytest.mark.parametrize("refused", NEUTRAL)
def test_a_refused_parameter_fails_its_own_check_alone(refused: str) -> None:
    split = {name: refusal() if name == refused else answer(completion()) for name in NEUTRAL}
    bundle = parts(all=refusal(), **split)
    for name, (id, case) in NEUTRAL.items():
        result = judge(id, neutral_parameters=bundle, basics=parts(all=BASIC))
        assert outcome(result) == (case if name == refused else "pass")
    assert outcome(judge("neutral-parameters-accepted", neutral_parameters=bundle)) == "pass"


def test_an_accepted_bundle_passes_everywhere() -> None:
    bundle = parts(all=WHOLE)
    for id, _ in NEUTRAL.values():
        assert outcome(judge(id, neutral_parameters=bundle, basics=parts(all=BASIC))) == "pass"
    assert outcome(judge("neutral-parameters-accepted", neutral_parameters=bundle)) == "pass"


def test_what_is_refused_only_together_is_told_by_the_owner() -> None:
    alone = {name: answer(completion()) for name in NEUTRAL}
    result = judge("neutral-parameters-accepted", neutral_parameters=parts(all=refusal(), **alone))
    assert outcome(result) == "together"


def test_a_fixed_temperature_is_told_once() -> None:
    fixed = parts(all=refusal(), temperature=refusal(message="only 0.6 is allowed"))
    bundle = parts(all=refusal(), **{name: refusal() for name in NEUTRAL})
    result = judge("temperature-default-accepted", neutral_parameters=bundle, basics=fixed)
    assert result.blocked_by == "temperature-accepted"


@pytest.mark.parametrize(
    ("id", "probe", "names", "case"),
    [
        (
            "null-parameters-accepted",
            "null_parameters",
            ("stop", "seed", "user"),
            "explicit-null-params-rejected",
        ),
        (
            "sampling-boundaries-accepted",
            "boundary_values",
            ("temperature", "top_p"),
            "sampling-boundary-values-rejected",
        ),
    ],
)
def test_a_bundle_that_is_one_question(id: str, probe: str, names: tuple[str, ...], case: str) -> None:
    good = {name: answer(completion()) for name in names}
    assert outcome(judge_on(id, probe, parts(all=answer(completion())))) == "pass"
    result = judge_on(id, probe, parts(all=refusal(), **(good | {names[1]: refusal()})))
    assert outcome(result) == case
    assert (result.seen or "").startswith(f"{names[1]}: 400")
    assert outcome(judge_on(id, probe, parts(all=refusal(), **good))) == "together"
    held = parts(all=refusal(), **(good | {names[0]: refusal(429)}))
    assert outcome(judge_on(id, probe, held)) == "unanswered"
    ground = [refusal(owner="chat-accepted")]
    below = parts(all=refusal(grounds=ground), **{name: refusal(grounds=ground) for name in names})
    assert judge_on(id, probe, below).blocked_by == "chat-accepted"
    cut = answer(b'{"choices"', ended="cut")
    assert outcome(judge_on(id, probe, parts(all=cut))) == "cut"


def test_a_parameter_refused_at_any_value_is_told_once() -> None:
    neutral = parts(all=refusal(), user=refusal(), top_p=refusal())
    nulls = parts(all=refusal(), user=refusal(), stop=answer(completion()))
    result = judge_on("null-parameters-accepted", "null_parameters", nulls, neutral_parameters=neutral)
    assert outcome(result) == "pass"
    assert result.notes == ("refused at any value: user",)
    both = parts(all=refusal(), user=refusal(), stop=refusal())
    result = judge_on("null-parameters-accepted", "null_parameters", both, neutral_parameters=neutral)
    assert outcome(result) == "explicit-null-params-rejected"
    assert (result.seen or "").startswith("stop: 400")
    fixed = parts(all=refusal(), temperature=refusal())
    ends = parts(all=refusal(), temperature=refusal(), top_p=answer(completion()))
    result = judge_on("sampling-boundaries-accepted", "boundary_values", ends, basics=fixed)
    assert outcome(result) == "pass"


@pytest.mark.parametrize(
    ("reply", "expected", "note"),
    [
        (answer(completion()), "pass", "ignored"),
        (refusal(400), "pass", "refused"),
        (refusal(422), "pass", "refused"),
        (refusal(500), "server-error", ""),
        (refusal(None), "no-answer", ""),
        (refusal(429), "unanswered", ""),
        (refusal(400, grounds=[refusal(owner="chat-accepted")]), "blocked by chat-accepted", ""),
    ],
)
def test_invented_parameter(reply: Reply, expected: str, note: str) -> None:
    result = judge("invented-parameter-answered", invented_parameter=reply, wrong_type=refusal(400))
    assert outcome(result) == expected
    assert bool(result.notes) is bool(note)
    assert all(note in line for line in result.notes)


def test_a_crash_at_whatever_is_wrong_is_told_once() -> None:
    result = judge("invented-parameter-answered", invented_parameter=refusal(502), wrong_type=refusal(502))
    assert outcome(result) == "blocked by client-error-status"


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (400, "Unrecognized request argument supplied: reasoning_effort", "reasoning-control-params-differ"),
        (400, "reasoning_effort must be one of low, high", "reasoning-effort-enum-differs"),
    ],
)
def test_a_switch_of_another_name_is_told_from_one_of_other_values(
    status: int, text: str, expected: str
) -> None:
    asked = answer({"error": {"message": text}}, status=status, sent={"reasoning_effort": "none"})
    switched = Replies({BUNDLE: asked, "thinking": asked})
    assert outcome(judge("thinking-switch-accepted", basics=switched, profile=SWITCHED)) == expected
    applied = judge("thinking-switch-applied", basics=switched, profile=SWITCHED)
    assert outcome(applied) == "blocked by thinking-switch-accepted"


@pytest.mark.parametrize(
    ("status", "expected"),
    [(504, "nonstream-gateway-timeout"), (524, "nonstream-gateway-timeout"), (500, "server-error")],
)
def test_a_long_answer_that_a_proxy_ends(status: int, expected: str) -> None:
    assert outcome(judge("no-limit-accepted", no_limit=refusal(status))) == expected


def test_a_small_window_is_no_small_default() -> None:
    full = plain(LONG[:600], "length", 480)
    small = demo_settings(context_window=512)
    assert outcome(judge("default-limit", settings=small, no_limit=full, hello=OBEYED)) == "unanswered"
    assert outcome(judge("default-limit", no_limit=full, hello=OBEYED)) == "max-tokens-default-too-small"


def test_every_probe_of_the_item_is_owned_by_a_check_of_it() -> None:
    ids = {check.id for check in checklist().of_item("parameters")}
    probes = [probe for probe in checklist().probes.values() if probe.file.endswith("parameters.py")]
    assert len(probes) == 13
    assert {probe.owner for probe in probes} <= ids
    assert all("hello" in probe.grounds for probe in probes)
    assert [probe.name for probe in probes if probe.quick] == ["max_tokens_small", "stop_list"]
