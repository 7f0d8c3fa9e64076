"""The checks of long prompts, on literals and on the simulator with a small window."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

import pytest

from llmcompat.api import _WORDS
from llmcompat.engine.runner import Finished, run_target
from llmcompat.model import Result, Status
from llmcompat.profiles.loader import load_profile
from llmcompat.reply import Replies, Reply
from llmcompat.simulator.server import running
from tests.checking import answer, checklist, completion, demo_settings, judge

WORDS = ("cedar", "onyx", "plum")
ALL = ", ".join(WORDS)
HELLO = answer(
    completion("amber"),
    sent={"messages": [{"role": "user", "content": "Reply with exactly this word and nothing else: amber"}]},
)
MODELS = answer({"object": "list", "data": [{"id": "demo-chat"}]}, path="models", method="GET")
NO_WINDOW: dict[str, Any] = {
    "settings": demo_settings(model="other"),
    "profile": load_profile("demo"),
    "models_list": MODELS,
}
WINDOW: dict[str, Any] = {
    "settings": demo_settings(context_window=10_000),
    "profile": load_profile("demo"),
    "models_list": MODELS,
}
ERROR = {"message": "This model's maximum context length is 8192 tokens.", "type": "invalid_request_error"}
TOO_LONG = {"error": {**ERROR, "param": "messages", "code": "context_length_exceeded"}}
OTHER_CODE = {"error": {**ERROR, "param": None, "code": 400}}
OBSCURE = {"error": {"message": "Bad request.", "type": "invalid_request_error", "param": None, "code": None}}


def loaded(name: str) -> Any:
    """A module of the checks as the loader made it."""
    checklist()
    return importlib.import_module(f"llmcompat.checks.{name}")


def prompt(tokens: int) -> dict[str, Any]:
    text = loaded("long_prompts")._prompt(list(WORDS), tokens * 4)
    return {"messages": [{"role": "user", "content": text}]}


def long(tokens: int, text: str = ALL, *, counted: int | None = None, finish: str = "stop") -> Reply:
    usage = {"prompt_tokens": tokens if counted is None else counted, "completion_tokens": 8}
    usage["total_tokens"] = sum(usage.values())
    return answer(completion(text, usage=usage, finish_reason=finish), sent=prompt(tokens))


def refused(tokens: int, document: Any = TOO_LONG, status: int = 400) -> Reply:
    return answer(document, status=status, sent=prompt(tokens), owner="long-prompt-accepted")


def steps(**replies: Reply) -> dict[str, Any]:
    parts = {name.lstrip("_"): reply for name, reply in replies.items()}
    return {"long_prompts": Replies(parts, "long_prompts", "long-prompt-accepted")}


GOOD = steps(_2k=long(2000), _8k=long(8000), _32k=long(32_000))


def test_the_notes_are_ordinary_varied_and_always_the_same() -> None:
    prose = loaded("_filler").prose
    text = prose(120_000)
    assert text == prose(120_000)
    assert abs(len(text) - 120_000) < 400
    sentences = [sentence.strip() for sentence in text.replace("\n", " ").split(". ")]
    assert len(set(sentences)) > 0.95 * len(sentences)
    assert not set(text.lower().replace(".", " ").replace(",", " ").split()) & {*_WORDS, "code"}


def test_the_code_words_stand_at_head_middle_and_tail() -> None:
    text = prompt(8000)["messages"][0]["content"]
    places = [text.index(f"code word is {word}") / len(text) for word in WORDS]
    assert places[0] < 0.1
    assert 0.4 < places[1] < 0.6
    assert places[2] > 0.9


@pytest.mark.parametrize(
    ("window", "bound", "sizes"),
    [
        (None, 32_000, [2000, 8000, 32_000]),
        (None, 5000, [2000, 5000]),
        (None, 9000, [2000, 8000]),
        (1_000_000, 32_000, [2000, 8000, 32_000]),
        (32_768, 32_000, [2000, 8000, 26_982]),
        (4096, 32_000, [2000, 3046]),
        (1024, 32_000, [761]),
    ],
)
def test_the_steps_fit_window_and_bound(window: int | None, bound: int, sizes: list[int]) -> None:
    assert list(loaded("long_prompts").planned(window, bound).values()) == sizes


@pytest.mark.parametrize(
    ("id", "extra"),
    [
        ("long-prompt-accepted", NO_WINDOW),
        ("prompt-tokens-grow", {}),
        ("long-prompt-recall", {"hello": HELLO}),
    ],
)
def test_good_answers_pass(id: str, extra: dict[str, Any]) -> None:
    assert judge(id, **GOOD, **extra).status is Status.PASS


def test_how_far_it_was_tested_is_said() -> None:
    found = judge(
        "long-prompt-accepted", **GOOD, **{**NO_WINDOW, "settings": demo_settings(context_window=1_000_000)}
    )
    assert "tested to 32K of 1M tokens, as the settings gives the window" in " ".join(found.notes)
    assert len(found.measures) == 3
    listed = answer({"data": [{"id": "demo-chat", "max_model_len": 40_960}]}, path="models")
    found = judge(
        "long-prompt-accepted", **GOOD, **{**WINDOW, "settings": demo_settings(), "models_list": listed}
    )
    assert "of 41K tokens, as the model list" in " ".join(found.notes)


@pytest.mark.parametrize(
    ("replies", "given", "case"),
    [
        (steps(_2k=long(2000), _8k=refused(8000)), WINDOW, "advertised-context-too-large"),
        (steps(_2k=refused(2000)), NO_WINDOW, "prompt-refused"),
        (steps(_2k=refused(2000), _1k=refused(1000), _500=long(500)), NO_WINDOW, None),
        (
            steps(_2k=refused(2000), _1k=refused(1000), _500=refused(500), _250=refused(250)),
            NO_WINDOW,
            "prompt-refused",
        ),
        (steps(_2k=long(2000), _8k=refused(8000, status=500)), NO_WINDOW, "prompt-refused"),
        (steps(_2k=long(2000), _8k=refused(8000)), NO_WINDOW, None),
        (
            steps(_2k=long(2000), _8k=refused(8000, {"error": {"code": "rate_limit_exceeded"}}, 413)),
            NO_WINDOW,
            "request-over-tpm-413",
        ),
        (steps(_2k=long(2000), _8k=answer(None, status=None)), WINDOW, "no-answer"),
    ],
)
def test_prompts_that_are_refused(replies: dict[str, Any], given: dict[str, Any], case: str | None) -> None:
    found = judge("long-prompt-accepted", **replies, **given)
    assert (found.status, found.case) == (Status.FAIL if case else Status.PASS, case)


LOSSES = [
    (long(8000, counted=2051, text="onyx, plum"), "context-overflow-silent"),
    (long(8000, counted=2051, text="cedar, plum"), "prompt-silently-compressed"),
    (long(8000, counted=2051), "prompt-tokens-too-low"),
]


@pytest.mark.parametrize(("reply", "case"), LOSSES)
def test_a_counter_that_does_not_grow(reply: Reply, case: str) -> None:
    lost = steps(_2k=long(2000), _8k=reply)
    assert judge("prompt-tokens-grow", **lost).case == case
    recall = judge("long-prompt-recall", hello=HELLO, **lost)
    assert recall.status is (Status.PASS if case == "prompt-tokens-too-low" else Status.ERROR)
    assert recall.blocked_by in (None, "prompt-tokens-grow")


def test_any_tokenizer_may_count() -> None:
    for share in (0.6, 1.0, 1.7):
        counted = {
            f"_{size}k": long(size * 1000, counted=int(size * 1000 * share) + 40) for size in (2, 8, 32)
        }
        assert judge("prompt-tokens-grow", **steps(**counted)).status is Status.PASS
    assert judge("prompt-tokens-grow", **steps(_2k=long(2000, counted=0))).status is Status.ERROR
    bare = answer(completion(ALL, usage=...), sent=prompt(2000))
    assert judge("prompt-tokens-grow", **steps(_2k=bare)).blocked_by == "usage-present"


@pytest.mark.parametrize(
    ("replies", "case"),
    [
        (steps(_2k=long(2000), _8k=long(8000, "cedar, plum")), "recall-8k"),
        (steps(_2k=long(2000), _8k=long(8000), _32k=long(32_000, "Plums.")), "recall-32k"),
    ],
)
def test_recall_by_size(replies: dict[str, Any], case: str) -> None:
    assert judge("long-prompt-recall", hello=HELLO, **replies).case == case


def test_a_model_that_fails_at_the_shortest_prompt_says_nothing_of_the_length() -> None:
    found = judge("long-prompt-recall", hello=HELLO, **steps(_2k=long(2000, "onyx")))
    assert found.status is Status.ERROR
    assert found.reason == "the model does not find the words in the shortest prompt either"


@pytest.mark.parametrize(
    ("text", "case"),
    [
        ("cedar, plum", "prompt-silently-compressed"),
        ("plum", "context-overflow-silent"),
        ("cedar", "recall-8k"),
    ],
)
def test_recall_without_a_counter(text: str, case: str) -> None:
    bare = answer(completion(text, usage=...), sent=prompt(8000))
    assert judge("long-prompt-recall", hello=HELLO, **steps(_2k=long(2000), _8k=bare)).case == case


def test_recall_needs_obedience() -> None:
    deaf = answer(completion("No."), sent=HELLO.sent)
    lost = steps(_2k=long(2000, "No."))
    assert judge("long-prompt-recall", hello=deaf, **lost).blocked_by == "exact-reply"
    nothing = steps(_2k=refused(2000))
    assert judge("long-prompt-recall", hello=HELLO, **nothing).blocked_by == "long-prompt-accepted"


OVERFLOWS = {
    "refused as OpenAI does": (refused(12_000), (None, None, None)),
    "refused in words only": (
        refused(12_000, OTHER_CODE),
        (None, None, "context-length-error-unrecognisable"),
    ),
    "refused in no words": (
        refused(12_000, OBSCURE),
        (None, "context-length-error-unrecognisable", "context-overflow-recognisable"),
    ),
    "server error": (
        refused(12_000, OBSCURE, 500),
        ("overflow-as-server-error", "context-overflow-refused", "context-overflow-refused"),
    ),
    "head dropped": (
        long(12_000, "onyx, plum", counted=2051),
        ("context-overflow-silent", "context-overflow-refused", "context-overflow-refused"),
    ),
    "middle dropped": (
        long(12_000, "cedar, plum", counted=9000),
        ("prompt-silently-compressed", "context-overflow-refused", "context-overflow-refused"),
    ),
    "finish reason of its own": (
        long(12_000, "", counted=9000, finish="model_context_window_exceeded"),
        ("finish-reason-context-window", "context-overflow-refused", "context-overflow-refused"),
    ),
}


@pytest.mark.parametrize("name", OVERFLOWS)
def test_a_prompt_that_is_too_long(name: str) -> None:
    reply, expected = OVERFLOWS[name]
    replies = steps(_2k=long(2000), _8k=long(8000), overflow=reply)
    ids = ("context-overflow-refused", "context-overflow-recognisable", "context-overflow-code")
    found = [judge(id, **replies, **WINDOW) for id in ids]
    assert tuple(each.case or each.blocked_by for each in found) == expected


def test_without_a_window_the_first_refusal_is_judged() -> None:
    natural = steps(_2k=long(2000), _8k=long(8000), _32k=refused(32_000, OTHER_CODE))
    assert judge("context-overflow-refused", **natural, **NO_WINDOW).status is Status.PASS
    assert judge("context-overflow-code", **natural, **NO_WINDOW).status is Status.FAIL


def test_the_first_step_may_be_beyond_an_unknown_window() -> None:
    small = {"_2k": refused(2000, OTHER_CODE), "_1k": refused(1000, OTHER_CODE), "_500": long(500)}
    accepted = judge("long-prompt-accepted", **steps(**small), **NO_WINDOW)
    assert accepted.notes == (
        "a prompt of about 1K tokens was refused; no window is known to hold it against",
        "tested to 486 tokens",
    )
    assert judge("prompt-tokens-grow", **steps(**small)).status is Status.PASS
    assert judge("long-prompt-recall", hello=HELLO, **steps(**small)).status is Status.PASS
    assert judge("context-overflow-refused", **steps(**small), **NO_WINDOW).status is Status.PASS
    assert judge("context-overflow-code", **steps(**small), **NO_WINDOW).status is Status.FAIL
    obscure = small | {"_1k": refused(1000, OBSCURE)}
    assert judge("context-overflow-recognisable", **steps(**obscure), **NO_WINDOW).status is Status.FAIL


@pytest.mark.parametrize(
    ("replies", "given", "status", "reason"),
    [
        (GOOD, NO_WINDOW, Status.SKIP, "--context-window"),
        (
            GOOD,
            {**WINDOW, "settings": demo_settings(context_window=1_000_000)},
            Status.SKIP,
            "--max-prompt-tokens",
        ),
        (steps(_2k=long(2000), overflow=long(12_000)), WINDOW, Status.ERROR, "larger than is known"),
        (steps(_2k=long(2000), overflow=refused(12_000, OBSCURE, 429)), WINDOW, Status.ERROR, "429"),
    ],
)
def test_when_overflow_is_not_judged(
    replies: dict[str, Any], given: dict[str, Any], status: Status, reason: str
) -> None:
    found = judge("context-overflow-refused", **replies, **given)
    assert found.status is status
    assert reason in (found.reason or "")


def simulated(*faults: str) -> dict[str, Result]:
    with running(faults=faults, context_window=6000) as server:
        settings = demo_settings(base_url=server.base_url, context_window=6000, only=("long-prompts",))

        async def collect() -> dict[str, Result]:
            async for event in run_target(checklist(), settings, load_profile("demo"), key=None, seed="test"):
                if isinstance(event, Finished):
                    return {result.id: result for result in event.run.checks}
            raise AssertionError("a run always finishes")

        return asyncio.run(collect())


@pytest.mark.parametrize(
    ("fault", "failing"),
    [
        ((), {}),
        (("context-overflow-silent",), {"context-overflow-refused": "context-overflow-silent"}),
        (("prompt-silently-compressed",), {"context-overflow-refused": "prompt-silently-compressed"}),
        (("finish-reason-context-window",), {"context-overflow-refused": "finish-reason-context-window"}),
    ],
)
def test_on_the_simulator(fault: tuple[str, ...], failing: dict[str, str]) -> None:
    results = simulated(*fault)
    own = {id: result for id, result in results.items() if result.item == "long-prompts"}
    assert {id: result.case for id, result in own.items() if result.status is Status.FAIL} == failing
    assert all(result.status is Status.PASS for result in own.values() if not failing)
