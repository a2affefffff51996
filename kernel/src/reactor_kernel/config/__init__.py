"""Reactor.toml, the environment and flags: read with the origin of each value, checked, bound to frozen dataclasses."""
