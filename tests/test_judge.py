"""Judging: attempts and rounds add up, owners are fetched, and a check that breaks says where."""

from __future__ import annotations

from llmcompat.declare import Check, check, fail, manual, measure, note
from llmcompat.engine.evidence import Evidence, gather_evidence
from llmcompat.engine.judge import MAX_TEXT, judge, wilson
from llmcompat.engine.loader import Checklist
from llmcompat.model import Ask, Result, Status, Unasked
from llmcompat.profiles.loader import load_profile
from llmcompat.reply import Exchanges, Reply
from llmcompat.settings import Settings
from tests.checking import answer, attempts, completion, demo_settings


def make(function: object, id: str = "mine", kind: str = "wire") -> Check:
    return check(id, fix="F.", kind=kind)(function)  # type: ignore[arg-type]


def run(
    *checks: Check, evidence: dict[str, Reply] | None = None, rounds: list[Evidence] | None = None,
    selected: int = 1, settings: Settings | None = None, unasked: dict[str, Unasked] | None = None,
) -> list[Result]:  # fmt: skip
    loaded = Checklist((), {each.id: each for each in checks}, {})
    every = Exchanges([each for reply in (evidence or {}).values() for each in reply.attempts])
    given = rounds or [Evidence(evidence or {}, unasked or {}, every)]
    return judge(checks[:selected], loaded, given, load_profile("demo"), settings or demo_settings())


def text_is_hello(reply: Reply) -> None:
    """It says hello.

    Why.
    """
    measure("length", len(reply.text), "characters")
    note(f"said {reply.text}")
    if reply.text != "hello":
        fail(reply.text, expected="hello", case="other")


def test_pass_and_fail_with_notes_and_figures() -> None:
    (good,) = run(make(text_is_hello), evidence={"reply": answer(completion("hello"))})
    assert (good.status, good.facts, good.notes) == (
        Status.PASS,
        {"length": {"value": 5, "unit": "characters"}},
        ("said hello",),
    )
    (bad,) = run(make(text_is_hello), evidence={"reply": answer(completion("bye"))})
    assert (bad.status, bad.case, bad.seen, bad.expected, bad.exchanges) == (
        Status.FAIL,
        "other",
        "bye",
        "hello",
        ("e1",),
    )


def test_the_wire_is_judged_at_every_attempt_and_obedience_at_the_last() -> None:
    asked = attempts(answer(completion("bye")), answer(completion("hello"), number=2))
    (wire,) = run(make(text_is_hello), evidence={"reply": asked})
    assert (wire.status, wire.attempts) == (Status.FAIL, (1, 2))
    (behaviour,) = run(make(text_is_hello, kind="behaviour"), evidence={"reply": asked})
    assert behaviour.status is Status.PASS


def test_rounds_give_a_rate_with_an_interval() -> None:
    rounds = [
        Evidence({"reply": answer(completion(text))}, {}, Exchanges(()))
        for text in ("hello", "hello", "bye", "hello")
    ]
    (result,) = run(make(text_is_hello), rounds=rounds, settings=demo_settings(repeat=4))
    assert (result.status, result.attempts) == (Status.FAIL, (3, 4))
    assert result.facts["rate"] == {"value": 0.75, "unit": "", "low": 0.3006, "high": 0.9544}


def test_the_wilson_interval() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    low, high = wilson(10, 10)
    assert round(low, 4) == 0.7225
    assert round(high, 9) == 1.0


def test_an_owner_that_was_not_selected_is_judged_when_it_blocks() -> None:
    def owner(reply: Reply) -> None:
        """There is something to read.

        Why.
        """
        if reply.find_finish_reason() != "stop":
            fail("nothing", expected="something")

    blocked, found = run(
        make(text_is_hello), make(owner, "content-not-empty"),
        evidence={"reply": answer(completion("", finish_reason="odd"))},
    )  # fmt: skip
    assert (blocked.status, blocked.blocked_by) == (Status.ERROR, "content-not-empty")
    assert (found.id, found.status) == ("content-not-empty", Status.FAIL)


def test_a_check_that_breaks_is_an_error_with_file_and_line() -> None:
    def broken(reply: Reply) -> None:
        """It breaks.

        Why.
        """
        raise KeyError("x")

    (result,) = run(make(broken), evidence={"reply": answer(completion())})
    assert result.status is Status.ERROR
    assert result.reason is not None
    assert "test_judge.py:" in result.reason
    assert "KeyError" in result.reason


def test_a_probe_that_did_not_ask_passes_its_reason_on() -> None:
    (result,) = run(
        make(text_is_hello), unasked={"reply": Unasked("blocked by tools-accepted", "tools-accepted")}
    )
    assert (result.status, result.blocked_by) == (Status.ERROR, "tools-accepted")


def test_a_failure_over_all_exchanges_names_the_exchange() -> None:
    def no_bye(exchanges: Exchanges) -> None:
        """Nobody says bye.

        Why.
        """
        for reply in exchanges.plain:
            if reply.text == "bye":
                fail(reply.text, expected="no bye")

    (result,) = run(make(no_bye), evidence={"a": answer(completion("hello")), "b": answer(completion("bye"))})
    assert result.status is Status.FAIL
    assert result.exchanges == ("e1",)


def test_what_a_check_saw_is_bounded() -> None:
    (result,) = run(make(text_is_hello), evidence={"reply": answer(completion("x" * 100_000))})
    assert result.seen is not None
    assert len(result.seen) < MAX_TEXT + 40
    assert result.seen.endswith("(100000 characters)")


def test_evidence_is_built_from_asks_alone() -> None:
    exchange = answer(completion("hello")).exchange
    from llmcompat.engine.ground import hello

    evidence = gather_evidence(
        {"hello": hello}, [Ask("hello", None, 1, 1, ("e1",))], {"e1": exchange}, {}, round=2
    )
    built = evidence.replies["hello"]
    assert isinstance(built, Reply)
    assert built.text == "hello"
    assert built.owner == "chat-accepted"
    assert len(evidence.exchanges.all) == 1


def test_a_level_falls_only_where_every_named_client_was_measured_to_come_through() -> None:
    def arguments(reply: Reply) -> None:
        """Arguments are text.

        Why.
        """
        fail({"city": "Paris"}, expected="text", case="tool-arguments-object")

    def judged(*clients: str) -> Result:
        settings = demo_settings(clients=clients)
        found = make(arguments, "tool-arguments-string")
        return run(found, evidence={"reply": answer(completion())}, settings=settings)[0]

    assert judged().level == "must"
    assert judged("litellm").level == "should"
    assert judged("litellm").notes == ("litellm came through this when measured",)
    assert judged("litellm", "openai-python").level == "must"
    assert judged("async-openai", "litellm").notes == ("not measured with async-openai",)


def test_what_a_person_signs_is_bound_to_the_facts_and_not_to_what_stands_beside_them() -> None:
    def told(facts: str, beside: str) -> Result:
        def decide() -> None:
            """Decide.

            Why.
            """
            manual(facts, beside=beside)

        return run(make(decide, "some-terms", kind="manual"))[0]

    plain, beside, other = told("a", ""), told("a", "seen today"), told("b", "")
    assert (plain.status, plain.seen, beside.seen) == (Status.MANUAL, "a", "a | seen today")
    assert plain.facts_hash is not None
    assert plain.facts_hash == beside.facts_hash
    assert plain.facts_hash != other.facts_hash
