"""Persistent independent particles (PIPS)."""
