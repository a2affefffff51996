"""A plugin for Reactor that greets."""

__version__ = "0.1.0"
