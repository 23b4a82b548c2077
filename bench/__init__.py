"""Measurements: every figure with a unit of time, every ratio."""
