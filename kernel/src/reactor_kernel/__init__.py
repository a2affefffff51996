"""Reactor's kernel: boots, mounts, migrates and drains; knows no capability by name."""

__version__ = "0.1.0"
