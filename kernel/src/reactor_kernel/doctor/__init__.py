"""Probes that look, and the report of what they found (contract kernel.md §4.3)."""

from reactor_kernel.doctor.report import Report, run_probes

__all__ = ["Report", "run_probes"]
