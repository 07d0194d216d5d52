"""Render the subset of Markdown used by runbook pages as HTML with everything escaped.

The subset: headings, paragraphs, flat lists and fenced code; within text, code, strong words and links. Any
other markup stays plain text.
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
    """Lines that form an HTML element; a list has a text for each item."""

    tag: str
    texts: list[str]


def render_html(text: str) -> Markup:
    """Return the text as HTML. A link becomes its words and its address, without a hyperlink."""
    return Markup("\n").join(_render_block(block) for block in _split_blocks(iter(text.splitlines())))


def find_first_sentence(text: str) -> str:
    """Return the first sentence of the first paragraph as plain text; empty without a paragraph."""
    paragraph = next(
        (block.texts[0] for block in _split_blocks(iter(text.splitlines())) if block.tag == "p"), ""
    )
    sentence = re.split(
        r"(?<=[.:])\s", _INLINE.sub(lambda match: match[1] or match[2] or match[3], paragraph)
    )[0]
    return sentence.rstrip(".:") + "." if sentence else ""


def _render_block(block: _MarkdownBlock) -> Markup:
    content: str | Markup
    if block.tag in _LISTS:
        content = Markup().join(Markup("<li>{}</li>").format(_render_inline(item)) for item in block.texts)
    else:
        content = block.texts[0] if block.tag == "pre" else _render_inline(block.texts[0])
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
    """Return the HTML element of a line and its text; ``more`` continues the open element."""
    if _FENCE.match(line):
        return "pre", ""
    if heading := _HEADING.match(line):
        return f"h{len(heading[1])}", heading[2]
    if item := _ITEM.match(line):
        return "ul" if item[1] else "ol", item[2]
    return ("more" if line[:1].isspace() else "p") if line.strip() else "", line.strip()


def _extend_block(block: _MarkdownBlock, kind: str, text: str) -> bool:
    """Add a line to an open block if it continues the block; return whether it did."""
    if block.tag in _LISTS and kind in ("", block.tag):
        # A list continues over a blank line.
        block.texts += [text] if kind else []
        return True
    if kind == block.tag == "p" or (kind == "more" and block.tag in ("p", *_LISTS)):
        block.texts[-1] += " " + text
        return True
    return False


def _read_fence(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if _FENCE.match(line):
            return
        yield line


def _render_inline(text: str) -> Markup:
    html = Markup()
    position = 0
    for match in _INLINE.finditer(text):
        html += escape(text[position : match.start()])
        code, strong, words, target = match.groups()
        if code is not None:
            html += Markup("<code>{}</code>").format(code)
        elif strong is not None:
            html += Markup("<strong>{}</strong>").format(strong)
        else:
            html += escape(words if words == target else f"{words} ({target})")
        position = match.end()
    return html + escape(text[position:])
