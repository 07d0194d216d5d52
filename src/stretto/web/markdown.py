"""The little Markdown that runbook pages are written in, as HTML in which nothing comes through unescaped.

Headings, paragraphs, lists of one level and fenced code; in the text code, strong words and words of links.
Whatever else it is given stays text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup, escape

_HEADING = re.compile(r"(#{1,4})\s+(.*)")
_ITEM = re.compile(r"\s{0,3}(?:([-*])|\d{1,3}[.)])\s+(.*)")
_FENCE = re.compile(r"\s{0,3}```")
_INLINE = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|\[([^\]]+)\]\(([^)\s]*)\)")

_LISTS = ("ul", "ol")
_ELEMENTS = {
    "p": Markup("<p>{}</p>"),
    "pre": Markup("<pre><code>{}</code></pre>"),
    "ul": Markup("<ul>{}</ul>"),
    "ol": Markup("<ol>{}</ol>"),
    "h1": Markup("<h1>{}</h1>"),
    "h2": Markup("<h2>{}</h2>"),
    "h3": Markup("<h3>{}</h3>"),
    "h4": Markup("<h4>{}</h4>"),
}


@dataclass(slots=True)
class _MarkdownBlock:
    """A run of lines that make one element; a list has a part for each item."""

    tag: str
    parts: list[str]


def render_html(text: str) -> Markup:
    """Return the text as HTML. Links show their words and where they lead, and lead nowhere by a click."""
    return Markup("\n").join(_render_block(block) for block in _split_blocks(iter(text.splitlines())))


def find_first_sentence(text: str) -> str:
    """Return the first paragraph's first sentence as plain text; empty where there is no paragraph."""
    paragraph = next(
        (block.parts[0] for block in _split_blocks(iter(text.splitlines())) if block.tag == "p"), ""
    )
    sentence = re.split(r"(?<=[.:])\s", _INLINE.sub(lambda said: said[1] or said[2] or said[3], paragraph))[0]
    return sentence.rstrip(".:") + "." if sentence else ""


def _render_block(block: _MarkdownBlock) -> Markup:
    content: str | Markup
    if block.tag in _LISTS:
        content = Markup().join(Markup("<li>{}</li>").format(_render_inline(part)) for part in block.parts)
    else:
        content = block.parts[0] if block.tag == "pre" else _render_inline(block.parts[0])
    return _ELEMENTS[block.tag].format(content)


def _split_blocks(lines: Iterator[str]) -> Iterator[_MarkdownBlock]:
    block: _MarkdownBlock | None = None
    for line in lines:
        kind, text = _classify_line(line)
        if kind == "pre":
            text = "\n".join(_read_fence(lines))
        if block is not None and _extend_block(block, kind, text):
            continue
        if block is not None:
            yield block
        block = _MarkdownBlock("p" if kind == "more" else kind, [text]) if kind else None
    if block is not None:
        yield block


def _classify_line(line: str) -> tuple[str, str]:
    """Return which element a line begins or goes on with (``more``: whichever is open), and its text."""
    if _FENCE.match(line):
        return "pre", ""
    if found := _HEADING.match(line):
        return f"h{len(found[1])}", found[2]
    if found := _ITEM.match(line):
        return "ul" if found[1] else "ol", found[2]
    return ("more" if line[:1].isspace() else "p") if line.strip() else "", line.strip()


def _extend_block(block: _MarkdownBlock, kind: str, text: str) -> bool:
    """Let an open block take a line, and tell whether it did."""
    if block.tag in _LISTS and kind in ("", block.tag):
        # A list goes on over a blank line.
        block.parts += [text] if kind else []
        return True
    if kind == block.tag == "p" or (kind == "more" and block.tag in ("p", *_LISTS)):
        block.parts[-1] += " " + text
        return True
    return False


def _read_fence(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if _FENCE.match(line):
            return
        yield line


def _render_inline(text: str) -> Markup:
    done = Markup()
    position = 0
    for found in _INLINE.finditer(text):
        done += escape(text[position : found.start()])
        code, strong, words, target = found.groups()
        if code is not None:
            done += Markup("<code>{}</code>").format(code)
        elif strong is not None:
            done += Markup("<strong>{}</strong>").format(strong)
        else:
            done += escape(words if words == target else f"{words} ({target})")
        position = found.end()
    return done + escape(text[position:])
