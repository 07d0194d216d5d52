"""Documents of stored sessions, made as the service makes them."""

from __future__ import annotations

import sqlite3

from stretto.fleet.hidden_names import NameHider, NameRules
from stretto.fleet.session_document import SessionDocument
from stretto.model.conclude_tasks import Classify
from stretto.shipping.document_maker import DocumentMaker
from stretto.shipping.hub_client import HubClient
from stretto.shipping.ship_batches import Shipper
from stretto.store.concluded_session import Rules
from tests.scenes import at, by_description

KEY = b"0123456789abcdef"


def make_maker(classify: Classify = by_description, names: NameRules | None = None) -> DocumentMaker:
    """Return the maker of a machine called ``laptop``."""
    return DocumentMaker("laptop", "rules", Rules(classify), NameHider(KEY, names or NameRules()))


def make_all(connection: sqlite3.Connection, maker: DocumentMaker) -> dict[str, SessionDocument]:
    """Return the documents of all stored sessions, by id."""
    made = {}
    for (id,) in connection.execute("SELECT id FROM sessions ORDER BY id").fetchall():
        document = maker.make_document(connection, id)
        assert document is not None
        made[id] = document
    return made


TOKEN = "a-token-of-a-machine"


def make_shipper(url: str, names: NameRules | None = None) -> Shipper:
    """Return what ships to a hub, for a clock at the end of the scenes' day."""
    return Shipper(make_maker(names=names), HubClient(url, TOKEN), lambda: at(86_400))
