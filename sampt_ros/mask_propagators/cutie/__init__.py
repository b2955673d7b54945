"""Cutie, from the rf-cutie package."""
