"""Processes and threads: server engines, workers and signals, background services."""
