"""Take the drawings of a page along: each figure as an SVG file that needs neither page nor style sheet.

Only the light colours are used, since a file is opened on a white ground more often than not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape

from markupsafe import escape

WIDTH = 1_200
NAMES_WIDTH = 200
"""Pixels for the names of lanes, left of the drawing."""

_FIGURE = re.compile(r"<figure\b.*?</figure>", re.DOTALL)
_TAG = re.compile(r"<svg\b[^>]*>|</svg>")
_HEIGHT = re.compile(r'\bheight="([\d.]+)"')
_NAME = re.compile(r"<li\b[^>]*>(.*?)</li>", re.DOTALL)
_NAMES = re.compile(r'<ol class="names".*?</ol>', re.DOTALL)
_AXIS = re.compile(r'<p class="axis".*?</p>', re.DOTALL)
_MARK = re.compile(r"<span>(.*?)</span>", re.DOTALL)
_ANY_TAG = re.compile(r"<[^>]+>")
_ROOT = re.compile(r":root \{(.*?)\}", re.DOTALL)
_VARIABLE = re.compile(r"--([\w-]+):\s*([^;]+);")
_USE = re.compile(r"var\(--([\w-]+)\)")
_LANES_TOP, _LINE = 24, 26


@dataclass(frozen=True, slots=True)
class _Piece:
    markup: str
    height: float


def count_drawings(html: str) -> int:
    """Return the number of figures of a page."""
    return len(_FIGURE.findall(html))


def draw_figure(html: str, number: int, style: str) -> str | None:
    """Return a figure of a page, counted from 1, as an SVG file in the colours of ``style``; None without it.

    The names of lanes stand left of the last drawing of the figure, the marks of the axis below it.
    """
    figures = _FIGURE.findall(html)
    if not 1 <= number <= len(figures):
        return None
    figure = figures[number - 1]
    pieces = _list_pieces(figure)
    if not pieces:
        return None
    names = [_to_text(name) for text in _NAMES.findall(figure) for name in _NAME.findall(text)]
    left = NAMES_WIDTH if names else 10
    width, parts, y = WIDTH - left - 10, [], 10.0
    lane_height = (pieces[-1].height - _LANES_TOP) / len(names) if names else 0.0
    for piece in pieces:
        parts.append(f'<svg x="{left}" y="{y}" width="{width}" height="{piece.height}">{piece.markup}</svg>')
        lanes_top, y = y + _LANES_TOP, y + piece.height + 8
    for place, name in enumerate(names):
        base = round(lanes_top + lane_height * (place + 1 / 3) + 7, 1)
        parts.append(f'<text class="name" x="8" y="{base}">{escape(name)}</text>')
    marks = [_to_text(mark) for text in _AXIS.findall(figure) for mark in _MARK.findall(text)]
    for place, mark in enumerate(marks):
        share = place / (len(marks) - 1) if len(marks) > 1 else 0.0
        anchor = "start" if not place else "end" if place == len(marks) - 1 else "middle"
        x = round(left + width * share, 1)
        parts.append(f'<text class="name" x="{x}" y="{y + 12}" text-anchor="{anchor}">{escape(mark)}</text>')
    height = round(y + (_LINE if marks else 0))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
        f' viewBox="0 0 {WIDTH} {height}"><style>{_resolve_style(style)}</style>'
        f'<rect width="100%" height="100%" fill="#ffffff"/>{"".join(parts)}</svg>'
    )


def _list_pieces(figure: str) -> list[_Piece]:
    """Return the outermost drawings of a figure without those of its legend."""
    figure = figure.partition("<figcaption")[0]
    pieces, depth, begin = [], 0, 0
    for tag in _TAG.finditer(figure):
        depth += -1 if tag.group() == "</svg>" else 1
        if depth == 1 and tag.group() != "</svg>":
            begin = tag.start()
        elif not depth:
            markup = figure[begin : tag.end()]
            height = _HEIGHT.search(markup)
            if height is not None:
                pieces.append(_Piece(markup, float(height.group(1))))
    return pieces


def _to_text(markup: str) -> str:
    return " ".join(unescape(_ANY_TAG.sub("", markup)).split())


def _resolve_style(style: str) -> str:
    """Return the rules of the style sheet with the light colours in place of variables."""
    light = _ROOT.search(style)
    colours = dict(_VARIABLE.findall(light.group(1))) if light else {}
    rules = style[light.end() :] if light else style
    rules = rules.partition("/* Top and bottom */")[2] or rules
    resolved = _USE.sub(lambda use: colours.get(use.group(1), "inherit"), rules)
    ink = colours.get("ink", "#000000")
    return f"text {{ font: 12px sans-serif; fill: {ink}; }}\n{escape(resolved)}"
