"""Identity for Reactor: users, sessions, tokens, organisations, roles and permissions."""

__version__ = "0.1.0"
