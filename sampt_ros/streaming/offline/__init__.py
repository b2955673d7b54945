"""Tracking through a video that is there as a whole: objects that start later, and backwards in time."""
