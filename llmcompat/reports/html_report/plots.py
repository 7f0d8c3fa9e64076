"""Plots as inline SVG: bars for figures by name, and a line of steps for what arrived when.

pygal draws them. What it adds for files of their own (styles, scripts, ids, tooltips, today's date) is taken
away again: the page's style sheet colours the plots, and the same run gives the same bytes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from xml.etree import ElementTree

import pygal
from markupsafe import Markup
from pygal.style import Style

from llmcompat.reports.escape import one_line

# pygal puts a finder for maps in the way of every later import, and Python warns of its old form
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]

_SVG = "{http://www.w3.org/2000/svg}"
_WIDTH = 440
"""Near the width on the narrowest screen, so that the labels stay readable there."""
_BAR_HEIGHT = 17
_LABEL = 26
_MOST_POINTS = 60
_STYLE = Style(label_font_size=11, major_label_font_size=11, value_font_size=11, font_family="sans-serif")
_LONG_NUMBER = re.compile(r"\d+\.\d{2,}")
_KEPT = {
    "svg": ("viewBox",),
    "g": ("class", "transform"),
    "rect": ("class", "x", "y", "width", "height"),
    "path": ("class", "d"),
    "circle": ("class", "cx", "cy", "r"),
    "text": ("class", "x", "y"),
}
"""The elements that are kept, with their attributes."""


@dataclass(frozen=True)
class Series:
    """One colour of a plot."""

    name: str
    values: Sequence[float | None]
    """A value for each label; None where there is none."""


@dataclass(frozen=True)
class Steps:
    """One line of a plot over time."""

    name: str
    points: Sequence[tuple[float, float]]
    """(seconds, how many so far), in order."""


def bars(title: str, labels: Sequence[str], series: Sequence[Series]) -> Markup:
    """Horizontal bars, the first label on top; `title` is what a screen reader says in place of the plot."""
    # the last label is drawn on top, yet the first series
    shown = [one_line(label, _LABEL) for label in reversed(labels)]
    height = 44 + max(len(series) * _BAR_HEIGHT + 10, 26) * len(shown)
    values = [value or 0 for each in series for value in each.values]
    top = max(values, default=0) or 1
    chart = pygal.HorizontalBar(
        **_options(height),
        range=(0, top * 1.1),
        print_values=True,
        print_values_position="top",
        formatter=_written,
    )
    chart.x_labels = shown
    chart.y_labels = _ticks(top)
    for each in series:
        chart.add(each.name, list(reversed(each.values)))
    return _inline(chart.render(is_unicode=True), title)


def steps(title: str, lines: Sequence[Steps], *, height: int = 200) -> Markup:
    """How many arrived by when; long lines are thinned out evenly, the last point stays.

    At least one line has a point.
    """
    span = max((line.points[-1][0] for line in lines if line.points), default=0) or 0.001
    most = max((line.points[-1][1] for line in lines if line.points), default=0) or 1
    chart = pygal.XY(**_options(height), xrange=(0, span), range=(0, most), dots_size=1.5)
    chart.x_labels = _ticks(span)
    chart.y_labels = _ticks(most, whole=True)
    for line in lines:
        chart.add(line.name, _thinned(line.points))
    return _inline(chart.render(is_unicode=True), title)


def _options(height: int) -> dict[str, object]:
    return {
        "width": _WIDTH,
        "height": height,
        "style": _STYLE,
        "js": (),
        "no_prefix": True,
        "disable_xml_declaration": True,
        "show_legend": False,
        "margin": 6,
        "margin_right": 22,
        "spacing": 6,
        "truncate_label": -1,
    }


def _written(value: float | None) -> str:
    if value is None:
        return ""
    if abs(value) >= 1000:
        return f"{value / 1e3:.3g}K" if abs(value) < 999_500 else f"{value / 1e6:.3g}M"
    return f"{value:.3g}"


def _ticks(top: float, *, whole: bool = False) -> list[dict[str, object]]:
    """Round values from 0, at most some six of them."""
    for exponent in count(-9):
        for factor in (1, 2, 5):
            step = factor * 10.0**exponent
            if top / step <= 5 and (not whole or step >= 1):
                values = [round(number * step, 9) for number in range(int(top / step + 1e-9) + 1)]
                return [{"value": value, "label": _written(value)} for value in values]
    raise AssertionError  # count() has no end


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    if len(points) <= _MOST_POINTS:
        return list(points)
    step = (len(points) - 1) / (_MOST_POINTS - 1)
    return [points[round(number * step)] for number in range(_MOST_POINTS)]


def _inline(drawn: str, title: str) -> Markup:
    """The drawing alone, for a page that has the styles."""
    root = ElementTree.fromstring(drawn)
    _strip(root)
    root.set("role", "img")
    root.set("aria-label", one_line(title, 300))
    root.set("focusable", "false")
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _strip(element: ElementTree.Element) -> None:
    name = element.tag.removeprefix(_SVG)
    element.tag = name
    for attribute in list(element.attrib):
        if attribute not in _KEPT[name]:
            del element.attrib[attribute]
        else:
            value = _LONG_NUMBER.sub(lambda found: f"{float(found.group()):.1f}", element.attrib[attribute])
            element.set(attribute, value)
    if not element.get("class"):
        element.attrib.pop("class", None)
    for child in list(element):
        if child.tag.removeprefix(_SVG) not in _KEPT or "tooltip-overlay" in child.get("class", ""):
            element.remove(child)
        else:
            _strip(child)
            if child.tag == "g" and not len(child):
                element.remove(child)
