"""Offline tracking through a complete video: objects that start at any frame, forwards and backwards in time."""
