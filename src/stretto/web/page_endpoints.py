"""What the endpoints of all pages have: where they read, and how they answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from starlette.routing import Route

from stretto.web.backend import Backend
from stretto.web.renderer import Renderer


class PageEndpoints(ABC):
    """Endpoints that answer pages from a backend."""

    def __init__(self, backend: Backend, renderer: Renderer) -> None:
        self._backend = backend
        self._page = renderer.render_page
        self._refuse = renderer.render_error

    @abstractmethod
    def list_routes(self) -> Sequence[Route]:
        """Return the routes. Names and ids are chosen outside Stretto and may hold a slash."""
