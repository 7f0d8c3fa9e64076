"""`llmcompat providers`: what is published about the endpoints that are known by name, fresh on request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from llmcompat.cli import options
from llmcompat.cli.options import CHOICE, option

if TYPE_CHECKING:
    from datetime import datetime

    from llmcompat.billing.catalogues import Catalogue, ModelFacts
    from llmcompat.profiles import Profile

EPILOG = """
**Examples**

`llmcompat providers --needs embeddings,vision` — those that say that they offer both

`llmcompat providers deepseek` — one in full, each fact with source and day

`llmcompat providers refresh` — read the public catalogues of OpenRouter, DeepInfra and Novita (context
windows and prices; no key is sent) into your cache. Nothing else ever reads them

**Exit status**

0 · 2 nothing could run · `refresh`: 3 where a catalogue could not be read.
"""

REFRESH = "refresh"
"""Stands in the place of a NAME for the one thing that goes to the network."""

MOST_BYTES = 32 * 1024 * 1024
"""Bytes of a catalogue that are read."""

SECONDS = 60.0
"""What reading a catalogue may take."""


def complete(incomplete: str) -> Iterator[str | tuple[str, str]]:
    """Names of the shipped profiles, and the word that refreshes."""
    yield from options.complete_provider(incomplete)
    if REFRESH.startswith(incomplete):
        yield REFRESH, "Read the public catalogues into your cache."


def providers(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="One provider, or a profile file, in full; or the word `refresh`.",
            autocompletion=complete,
        ),
    ] = None,
    needs: Annotated[
        list[str] | None,
        option(
            "--needs",
            panel=CHOICE,
            metavar="FEATURES",
            complete=options.complete_feature,
            help="Only those that say that they offer these, such as embeddings,vision.",
        ),
    ] = None,
    format: options.ListingFormat = "table",
) -> int:
    """Compare providers, gateways and local servers as published; nothing in it is measured.

    `providers refresh` reads the catalogues that are public into your cache.
    """
    import json
    import sys
    from datetime import UTC, datetime

    from llmcompat.cli import streams
    from llmcompat.cli.problems import Problem, table_or_json
    from llmcompat.cli.target import parse_features
    from llmcompat.profiles import comparison_row, load_profile, shipped_profiles
    from llmcompat.reports.listing import provider_text, providers_text

    as_json = table_or_json(format)
    wanted = parse_features(needs or (), "--needs")
    today = datetime.now(UTC).date()
    width, color = streams.width(), streams.colored(sys.stdout)
    if name is not None:
        if wanted:
            raise Problem("--needs: chooses among all providers; leave NAME out")
        if name.strip().lower() == REFRESH:
            return _refresh(as_json=as_json)
        profile = load_profile(name)
        text = (
            json.dumps(profile.model_dump(mode="json"), ensure_ascii=False, indent=1)
            if as_json
            else provider_text(profile, today, width=width, color=color)
        )
        streams.out(text)
        if not as_json and (line := _cached(profile, datetime.now(UTC))) is not None:
            streams.out(f"\n{line}")
        return 0
    profiles = [load_profile(each) for each in shipped_profiles()]
    found = [
        each
        for each in profiles
        if wanted <= {feature for feature, offer in each.features.items() if offer.offered}
    ]
    if as_json:
        streams.out(json.dumps([comparison_row(each, today) for each in found], ensure_ascii=False, indent=1))
    elif found:
        streams.out(providers_text(found, today, width=width, color=color))
    else:
        streams.say(f"--needs {','.join(sorted(wanted))}: no profile says that all of these are offered")
    return 0


def _cached(profile: Profile, now: datetime) -> str | None:
    """What the cache knows of the profile's default model, or why it knows nothing; None where it cannot."""
    from urllib.parse import urlsplit

    from llmcompat.billing.cache import MAX_AGE_DAYS, CacheError, for_host, load
    from llmcompat.cli.problems import printable

    catalogue = for_host(urlsplit(profile.base_url or "").hostname or "")
    if catalogue is None or profile.kind in ("server", "demo"):
        return None
    try:
        cached = load(catalogue)
    except CacheError as error:
        return f"Your cache: {printable(str(error), 500)}"
    if cached is None:
        return "Your cache: nothing yet; llmcompat providers refresh reads the public catalogue"
    read = f"{cached.read_at:%Y-%m-%d} from {printable(cached.url)}"
    if cached.is_old(now):
        return f"Your cache: read {read}, not within {MAX_AGE_DAYS} days, so it is not used; refresh it"
    model = profile.models.default.value if profile.models.default else None
    if model is None:
        return f"Your cache: {len(cached.models)} models, read {read}"
    facts = cached.models.get(model)
    if facts is None:
        return f"Your cache: {printable(model)} is not among the {len(cached.models)} models read {read}"
    return f"Your cache: {printable(model)}: {_told(facts)}; read {read}"


def _told(facts: ModelFacts) -> str:
    from llmcompat.reports.lines import number

    parts = [f"context {number(facts.context_window)}"] if facts.context_window is not None else []
    if facts.input is not None and facts.output is not None:
        cached = f", cached input {facts.cached_input:g}" if facts.cached_input is not None else ""
        parts.append(f"USD {facts.input:g} in, {facts.output:g} out per million tokens{cached}")
    return "; ".join(parts) or "no price and no context window"


def _refresh(*, as_json: bool) -> int:
    """Read all catalogues at the same time; one that cannot be read is told and hinders no other."""
    import asyncio
    import json
    from datetime import UTC, datetime

    from llmcompat.billing.cache import cache_folder
    from llmcompat.billing.catalogues import CATALOGUES
    from llmcompat.cli import streams
    from llmcompat.cli.problems import printable
    from llmcompat.engine.decide import Exit

    async def read_all() -> list[dict[str, object] | str]:
        now = datetime.now(UTC).replace(microsecond=0)
        return await asyncio.gather(*(_read_one(each, now) for each in CATALOGUES))

    rows = asyncio.run(read_all())
    read = [row for row in rows if isinstance(row, dict)]
    for row in rows:
        if isinstance(row, str):
            streams.say(printable(row, 500))
    if as_json:
        streams.out(json.dumps(read, ensure_ascii=False, indent=1))
    else:
        for row in read:
            streams.out(
                "{name}: {models} models, {priced} with a price, {windows} with a context window; "
                "read {read_at} from {url}".format_map(row)
            )
        if read:
            streams.out(f"The cache lies in {cache_folder()}")
    return int(Exit.COMPATIBLE if len(read) == len(rows) else Exit.NO_ANSWER)


async def _read_one(catalogue: Catalogue, now: datetime) -> dict[str, object] | str:
    """Read and keep one catalogue: what was read, or the line that says why not."""
    from llmcompat.billing.cache import save
    from llmcompat.billing.catalogues import model_facts
    from llmcompat.reply import load_json
    from llmcompat.wire.public import NotRead, read_public

    kept = "what was cached before stays"
    try:
        document = load_json(await read_public(catalogue.url, most=MOST_BYTES, seconds=SECONDS))
    except NotRead as error:
        return f"{catalogue.name}: {catalogue.url}: {error}; {kept}"
    except ValueError:
        return f"{catalogue.name}: {catalogue.url}: the answer is not JSON; {kept}"
    models = model_facts(document, catalogue.host)
    if not models:
        return f"{catalogue.name}: {catalogue.url}: no model with a price or a context window in it; {kept}"
    try:
        save(catalogue, models, now)
    except OSError as error:
        return f"{catalogue.name}: not written to the cache: {error.strerror or error}"
    return {
        "name": catalogue.name,
        "url": catalogue.url,
        "read_at": now.isoformat().replace("+00:00", "Z"),
        "models": len(models),
        "priced": sum(facts.input is not None and facts.output is not None for facts in models.values()),
        "windows": sum(facts.context_window is not None for facts in models.values()),
    }
