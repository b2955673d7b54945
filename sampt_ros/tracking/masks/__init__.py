"""The masks of tracked objects: from clicks, and from the frame before."""
