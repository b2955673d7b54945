"""Segment Anything and its relatives."""
