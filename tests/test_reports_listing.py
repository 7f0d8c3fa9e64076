"""What is told before a run: checks, one check, providers side by side, and one with its sources."""

from datetime import date

import pytest

from llmcompat.catalogue import told_by
from llmcompat.declare import check
from llmcompat.engine.loader import Checklist, Item, load_checklist
from llmcompat.engine.selection import SelectionError
from llmcompat.profiles.loader import load_profile, shipped_profiles
from llmcompat.profiles.schema import Fact, KnownDeviation, Limits, NumberFact, Offer, PriceFact, Profile
from llmcompat.reports.listing import checks_text, explain_text, provider_text, providers_text

TODAY = date(2026, 11, 1)


@pytest.fixture
def checklist() -> Checklist:
    def judged(weather_call: object) -> None:
        """Arguments arrive as text.

        Every SDK parses them.
        """

    made = [
        check("plain-check", fix="Ask the provider.")(judged),
        check("pictures", fix="Send text.", chat="must", kind="behaviour", feature="vision")(judged),
    ]
    for each in made:
        object.__setattr__(each, "item", "tools")
    return Checklist(
        (Item("tools", "Tool calls", "functions are called."),), {each.id: each for each in made}, {}
    )


PROFILE = Profile(
    name="example",
    display_name="Example",
    base_url="https://api.example.test/v1",
    key_variable="EXAMPLE_API_KEY",
    features={
        "tools": Offer(offered=True, sources=("https://docs.example.test/tools",), as_of=date(2026, 10, 1)),
        "vision": Offer(offered=False, as_of=date(2026, 1, 1), confirmed=False, note="Text only [bold]."),
    },
    limits=Limits(context_window=NumberFact(value=1_000_000, as_of=date(2026, 10, 1))),
    prices={"m1": PriceFact(input=0.3, output=1.2, source="https://example.test/prices")},
    data_policy={"retention": Fact(value="30 days \x1b[31m")},
    deviations=(
        KnownDeviation(
            check="plain-check",
            case="object",
            summary="An object.",
            status="open",
            sources=("https://a.test/1",),
        ),
        KnownDeviation(check="plain-check", summary="Gone.", status="fixed"),
    ),
)


def test_the_list(checklist: Checklist) -> None:
    assert checks_text(checklist) == (
        "check          kind       chat    agent   trial   feature\n"
        "──────────────────────────────────────────────────────────\n"
        "Tool calls\n"
        "  plain-check  wire       must    must    should\n"
        "  pictures     behaviour  should  should  should  vision\n"
        "\n"
        "2 checks in 1 items\n"
    )


def test_the_list_weighs_a_feature_that_is_used(checklist: Checklist) -> None:
    assert "  pictures     behaviour  must  must   should  vision" in checks_text(
        checklist, uses=frozenset({"vision"})
    )


def test_a_long_id_is_whole_where_it_has_room_and_folded_where_not(checklist: Checklist) -> None:
    long = "a-check-with-a-long-name-of-its-own"
    longer = Checklist(checklist.items, {long: checklist.checks["plain-check"]}, {})
    object.__setattr__(checklist.checks["plain-check"], "id", long)
    assert long in checks_text(longer, width=80)
    narrow = [line.split()[0] for line in checks_text(longer, width=50).splitlines()[3:-2]]
    assert "".join(narrow) == long


def test_a_check_explained(checklist: Checklist) -> None:
    assert explain_text(checklist, "plain-check", profiles=[PROFILE], width=70) == (
        "plain-check\n"
        "Arguments arrive as text.\n"
        "  why       Every SDK parses them.\n"
        "  fix       Ask the provider.\n"
        "  item      Tool calls (tools)\n"
        "  levels    chat must, agent must, trial should\n"
        "  kind      wire\n"
        "  judges    weather_call\n"
        "  known at  example (case object): An object. https://a.test/1\n"
    )


def test_a_check_explained_with_what_it_is_known_to_tell() -> None:
    text = explain_text(load_checklist(), "tool-delta-index", width=90)
    known = told_by("tool-delta-index")
    assert len(known) > 1
    shown = " ".join(text.partition("Known deviations")[2].split())
    for each in known:
        assert f"{each.case}: {each.symptom} {' '.join(each.sources[:3])}" in shown
    assert f"and {len(known[0].sources) - 3} more" in shown


def test_an_item_explained(checklist: Checklist) -> None:
    text = explain_text(checklist, "tools")
    assert text.startswith(
        "Tool calls\n  Functions are called.\n\n  plain-check\n    Arguments arrive as text.\n"
    )


def test_an_unknown_id_names_the_nearest(checklist: Checklist) -> None:
    with pytest.raises(SelectionError, match="did you mean plain-check"):
        explain_text(checklist, "plain-chek")


def test_the_comparison() -> None:
    narrow = providers_text([PROFILE, Profile(name="bare")], TODAY)
    assert narrow.splitlines()[:4] == [
        "name     USD in / out  context  tools    vision   stream   facts  live",
        "───────────────────────────────────────────────────────────────────────",
        "example  0.3 / 1.2     1M       yes      no? old  unknown  6/15   never",
        "bare     unknown       unknown  unknown  unknown  unknown  0/15   never",
    ]
    wide = providers_text([PROFILE], TODAY, width=140)
    assert "retention" in wide
    assert "30 days \\x1b[31m" in wide


@pytest.mark.parametrize("width", [80, 140])
def test_the_shipped_providers_fit_and_none_is_cut(width: int) -> None:
    profiles = [load_profile(name) for name in shipped_profiles()]
    text = providers_text(profiles, TODAY, width=width)
    assert max(map(len, text.splitlines())) <= width
    assert [profile.name for profile in profiles if f"\n{profile.name} " not in text] == []
    assert "…" not in text


def test_one_provider_with_sources_dates_and_doubts() -> None:
    text = provider_text(PROFILE, TODAY)
    assert "never verified live: all of this is as published\n" in text
    assert "  tools: offered [2026-10-01]\n      https://docs.example.test/tools\n" in text
    assert "  vision: not offered [2026-01-01, old, not confirmed]\n      Text only [bold].\n" in text
    assert "  m1: input 0.3, output 1.2 [no date]\n      https://example.test/prices\n" in text
    assert "  retention: 30 days \\x1b[31m [no date]\n" in text
    assert "  plain-check: An object. (open) [no date]\n      https://a.test/1\n" in text


def test_a_provider_that_was_verified_says_when() -> None:
    assert "verified live: 2026-10-30\n" in provider_text(
        Profile(name="x", verified_live=date(2026, 10, 30)), TODAY
    )


@pytest.mark.parametrize("name", shipped_profiles())
def test_every_source_of_a_shipped_profile_is_shown(name: str) -> None:
    profile = load_profile(name)
    text = "".join(provider_text(profile, TODAY, width=400).split())
    facts = [
        *profile.features.values(),
        *profile.data_policy.values(),
        *profile.facts.values(),
        *profile.deviations,
    ]
    assert [source for fact in facts for source in fact.sources if source not in text] == []
    assert [
        page for page in profile.pages.model_dump().values() if page is not None and page not in text
    ] == []
