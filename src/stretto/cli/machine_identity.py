"""Find the identity of this machine, the configured one or the installation's, and how its sums are sent."""

from __future__ import annotations

import platform

from stretto.config.configuration import Config
from stretto.fleet.identity import MachineIdentity, identify_machine
from stretto.fleet.scrape_and_push_configurations import FleetSettings, build_agent_configuration
from stretto.hook.install.client_copy import ensure_secret


def find_machine_identity(config: Config) -> MachineIdentity:
    """Return the team and name of this machine. Creates the installation's secret if it is missing."""
    return identify_machine(
        config.fleet_team, config.fleet_instance, secret=ensure_secret(config.state), host=platform.node()
    )


def build_push_configuration(config: Config, identity: MachineIdentity, service_token_file: str) -> str:
    """Return the configuration of the agent that sends this machine's sums to the configured address."""
    return build_agent_configuration(
        FleetSettings(
            identity=identity,
            url=config.url,
            to=config.fleet_push_url,
            interval=config.fleet_push_interval_seconds,
            service_token_file=service_token_file,
            token_file=config.fleet_push_token_file,
        )
    )
