"""The words between a machine and its hub: paths, answers, and the file by which a machine is enrolled.

Requests show the machine's token as Bearer. ``POST /v1/sessions`` has a document in each line, compressed by
gzip. ``POST /v1/forget`` has a list of hashes. Team, tenant and owner are those of the token.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

SESSIONS_PATH = "/v1/sessions"
FORGET_PATH = "/v1/forget"

NDJSON = "application/x-ndjson"

MOST_DOCUMENTS = 200
"""Most documents of a request, and most sessions that one names to be forgotten."""

MOST_REQUEST_BYTES = 1_000_000
"""Most bytes of a request, after compression."""

MOST_BATCH_BYTES = 8_000_000
"""A machine adds no further document to a request of so many bytes, before compression."""

LEAST_KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class RefusedSession:
    """A session that the hub did not take, and will not take again unless it changes."""

    session: str
    """Its hash."""
    why: str


@dataclass(frozen=True, slots=True)
class ShipAnswer:
    """The hub's answer to documents. What it names in neither list is shipped again."""

    stored: tuple[str, ...] = ()
    """Hashes of the sessions that are durably stored, in this or a later revision."""
    refused: tuple[RefusedSession, ...] = ()


@dataclass(frozen=True, slots=True)
class ForgetRequestToHub:
    """The sessions that the hub is to forget: hashes of ids, or of a project."""

    sessions: tuple[str, ...] = ()
    project: str | None = None
    """The project as the documents name it."""


@dataclass(frozen=True, slots=True)
class ForgetAnswer:
    """The hub's answer: how many stored sessions it has deleted."""

    forgotten: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What a machine gets from the hub's administrator, as a file of JSON: to be kept private."""

    hub_url: str
    token: str
    key: str
    """The tenant's key for names, in hexadecimal digits: the same on all machines of the tenant."""


encode_message = msgspec.json.Encoder().encode
"""Encode an order or an answer as JSON."""

decode_ship_answer = msgspec.json.Decoder(ShipAnswer).decode
decode_forget_order = msgspec.json.Decoder(ForgetRequestToHub).decode
decode_forget_answer = msgspec.json.Decoder(ForgetAnswer).decode
decode_enrolment = msgspec.json.Decoder(Enrolment).decode
"""Each of these raises msgspec.DecodeError, or its ValidationError, for something else."""
