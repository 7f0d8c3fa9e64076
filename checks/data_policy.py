"""Data policy: where prompts go, who keeps them, and under which terms."""

from llmcompat import Check, Exchanges, Profile, Settings, check, manual, note

from ._facts import aged, pages, quoted, told


def _policy(
    id: str,
    title: str,
    why: str,
    fix: str,
    *,
    wanted: str,
    facts: tuple[str, ...] = (),
    links: tuple[str, ...] = (),
) -> Check:
    """A line for a person to sign, with the profile's facts of these names and its pages."""

    def decide(profile: Profile, settings: Settings, exchanges: Exchanges) -> None:
        elsewhere = profile.base_url is not None and settings.base_url.rstrip("/") != profile.base_url
        if elsewhere and not settings.simulated:
            note(f"the run went to {settings.base_url}; these facts were published for {profile.base_url}")
        found = told(quoted(profile.data_policy, facts), wanted)
        known = {name: profile.data_policy.get(name) for name in facts}
        manual(" | ".join([found, *pages(profile, *links)]), beside=aged(known, exchanges))

    decide.__doc__ = f"{title}\n\n{why}"
    return check(id, fix=fix, chat="should", agent="should", kind="manual")(decide)


POLICY_CHECKS = (
    _policy(
        "data-retention",
        "Decide how long prompts may be kept.",
        "Prompts hold your users' data; how long they stay with the provider is your promise to your users.",
        (
            "Read the policy, ask for zero retention in writing where you need it, and send its switch "
            "with every request."
        ),
        wanted="retention",
        facts=("retention", "zero_retention"),
        links=("privacy",),
    ),
    _policy(
        "data-training",
        "Decide whether prompts may train models.",
        "What was used for training cannot be taken back.",
        "Opt out in the account or in the contract, and keep the confirmation.",
        wanted="use for training",
        facts=("training",),
        links=("privacy",),
    ),
    _policy(
        "data-region",
        "Decide where prompts may be processed.",
        "Law and contracts may bind data to a region, and another provider is another country.",
        "Choose a region or a provider in it, and put it into your record of processing.",
        wanted="region",
        facts=("region",),
        links=("privacy",),
    ),
    _policy(
        "data-subprocessors",
        "Decide who else may see prompts.",
        "Gateways and hosts hand prompts on; each company on the way has a policy of its own.",
        "Ask for the list of subprocessors, and pin the upstreams where the endpoint lets you.",
        wanted="who else processes prompts",
        facts=("subprocessors", "passthrough", "upstream_filter"),
        links=("privacy",),
    ),
    _policy(
        "legal-terms",
        "Decide whether the terms can be signed.",
        "Terms say who owns the output, what use is forbidden, who is liable, and which law holds.",
        "Have terms, privacy policy and data processing agreement read by whoever signs contracts.",
        wanted="governing law",
        facts=("governing_law",),
        links=("terms", "privacy"),
    ),
    _policy(
        "security-certification",
        "Decide whether the security evidence is enough.",
        "Customers and auditors ask for certificates of every company that handles their data.",
        "Ask the provider for its current report; a certificate that is named on a page may have lapsed.",
        wanted="certification",
        facts=("certification",),
        links=("terms",),
    ),
)
