"""The points of all objects: sampling from masks, tracking and visibility."""
