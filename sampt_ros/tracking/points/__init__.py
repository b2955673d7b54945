"""The points of all objects: drawn from masks, moved by the tracker, visible or not."""
