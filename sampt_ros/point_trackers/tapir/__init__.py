"""Tracking any point with per-frame initialization and temporal refinement (TAPIR), frame by frame."""
