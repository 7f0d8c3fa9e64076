"""What a workload costs at several targets, as a page of its own in the manner of the HTML report."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from llmcompat.billing.cost import KINDS, Cost
from llmcompat.reports.cost import remarks, sections, summary
from llmcompat.reports.html_report import plots
from llmcompat.reports.html_report.page import rendered
from llmcompat.reports.html_report.view import Plot
from llmcompat.version import __version__


def cost_html(cost: Cost) -> str:
    """The page. It opens offline and loads nothing; the same figures give the same text."""
    return rendered(
        "cost.html.j2", version=__version__, summary=summary(cost), plots=_plots(cost), remarks=remarks(cost)
    )


def _plots(cost: Cost) -> list[Plot]:
    """Each table with its plot; what costs an unknown amount has no bar."""
    month, request, kinds, prices = sections(cost)
    labels = [each.candidate.name for each in cost.targets]
    requests = [each.request for each in cost.targets]
    shares = ("p10", "p50", "p90")
    drawings: list[tuple[tuple[str, ...], Sequence[plots.Series]]] = [
        (("USD a month",), [plots.Series("USD a month", [each.month for each in cost.targets])]),
        (
            shares,
            [
                plots.Series(name, [None if each is None else getattr(each, name) for each in requests])
                for name in shares
            ],
        ),
        (
            KINDS,
            [
                plots.Series(
                    kind, [None if each.parts is None else each.parts[kind] for each in cost.targets]
                )
                for kind in KINDS
            ],
        ),
        ((), ()),
    ]
    return [
        Plot(
            title=section.title,
            caption="",
            drawing=_bars(section.title, labels, series),
            legend=legend,
            head=section.head,
            rows=section.rows,
        )
        for section, (legend, series) in zip((month, request, kinds, prices), drawings, strict=True)
    ]


def _bars(title: str, labels: Sequence[str], series: Sequence[plots.Series]) -> Markup | None:
    if not any(value is not None for each in series for value in each.values):
        return None
    return plots.bars(f"{title}; the table below holds the figures", labels, series)
