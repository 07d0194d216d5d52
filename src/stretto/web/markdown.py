"""Render the Markdown of runbook pages as HTML by markdown-it-py: no markup of the text's own, no hyperlinks.

Links of a runbook lead to files of the repository, which the page does not serve: they become their words and
their address.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup, escape

_ELEMENTS = ("heading", "list", "fence", "emphasis", "link", "backticks", "escape", "entity")
"""The rules of CommonMark that runbook pages use; any other markup stays plain text."""


def render_html(text: str) -> Markup:
    """Return the text as HTML."""
    return Markup(_MARKDOWN.render(text))  # noqa: S704  # the renderer escapes every text


def find_first_sentence(text: str) -> str:
    """Return the first sentence of the first paragraph as plain text; empty without a paragraph."""
    tokens = _MARKDOWN.parse(text)
    paragraphs = (
        content
        for opening, content in pairwise(tokens)
        if opening.type == "paragraph_open" and opening.level == 0
    )
    paragraph = next((_join_texts(content.children or ()) for content in paragraphs), "")
    sentence = re.split(r"(?<=[.:])\s", paragraph)[0]
    return sentence.rstrip(".:") + "." if sentence else ""


def _join_texts(children: Sequence[Token]) -> str:
    return "".join(child.content for child in children).replace("\n", " ")


class _RunbookRenderer(RendererHTML):
    """The HTML of each token without attributes: neither an address nor a language comes from the text."""

    def fence(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:  # noqa: ARG002  # the library's signature
        return f"<pre><code>{escape(tokens[idx].content)}</code></pre>\n"

    def ordered_list_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:  # noqa: ARG002  # the library's signature
        return "<ol>\n"

    def link_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:  # noqa: ARG002  # the library's signature
        return ""

    def link_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:  # noqa: ARG002  # the library's signature
        opening = max(at for at in range(idx) if tokens[at].type == "link_open")
        address = str(tokens[opening].attrs.get("href", ""))
        words = _join_texts(tokens[opening + 1 : idx])
        return "" if address in ("", words) else f" ({escape(address)})"


_MARKDOWN = MarkdownIt("zero", renderer_cls=_RunbookRenderer).enable([*_ELEMENTS])
