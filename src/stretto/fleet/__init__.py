"""Beyond one machine: identity, and the configuration of engines that gather the series of many machines."""
