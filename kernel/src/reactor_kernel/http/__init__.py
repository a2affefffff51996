"""The HTTP surface: one Falcon application built from mounts, wrapped in what every request needs."""
