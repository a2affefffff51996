"""Finding, ordering, registering and calling plugins."""
