"""Make what ships this machine's sessions to a hub, from the configuration and the enrolment."""

from __future__ import annotations

from stretto.clock import Clock
from stretto.config.configuration import Config
from stretto.cost_computation import is_listed_model
from stretto.fleet.hidden_names import NameHider, NameRules
from stretto.fleet.hub_exchange import Enrolment
from stretto.fleet.identity import MachineIdentity
from stretto.shipping.document_maker import DocumentMaker
from stretto.shipping.hub_client import HubClient
from stretto.shipping.ship_batches import Shipper
from stretto.store.concluded_session import Rules


def make_document_maker(config: Config, enrolment: Enrolment, identity: MachineIdentity) -> DocumentMaker:
    """Return the maker of this machine's documents, by the configured rules."""
    names = NameRules(
        shown=frozenset(config.fleet_shown_names),
        shown_projects=frozenset(config.fleet_shown_projects),
        shown_labels=frozenset(config.fleet_shown_labels),
        task_types=frozenset(config.task_types.by_name),
        scores=frozenset(scale.name for scale in config.scores.scales.scales),
    )
    return DocumentMaker(
        identity.instance,
        config.fingerprint,
        Rules(config.task_types.classify, config.prices.compute_cost, config.scores.scales),
        NameHider(bytes.fromhex(enrolment.key), names, is_listed_model),
    )


def make_shipper(config: Config, enrolment: Enrolment, identity: MachineIdentity, clock: Clock) -> Shipper:
    """Return what makes and sends this machine's documents. Raises ConfigError for an unusable address."""
    client = HubClient(enrolment.hub_url, enrolment.token)
    return Shipper(make_document_maker(config, enrolment, identity), client, clock)
