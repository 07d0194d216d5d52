"""List all dashboards, in the order in which a reader visits them."""

from __future__ import annotations

from grafana.board.advice import ADVICE
from grafana.board.agents import AGENTS
from grafana.board.board import Board
from grafana.board.itself import ITSELF
from grafana.board.overview import OVERVIEW
from grafana.board.parallelism import PARALLELISM
from grafana.board.patterns import PATTERNS
from grafana.board.quality import QUALITY
from grafana.board.tools import TOOLS
from grafana.board.trends import TRENDS

BOARDS: tuple[Board, ...] = (OVERVIEW, PARALLELISM, AGENTS, PATTERNS, TOOLS, QUALITY, TRENDS, ADVICE, ITSELF)
