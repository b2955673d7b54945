"""The masks of tracked objects: from clicks, and propagated from the previous frame."""
