"""GrabCut, around the carried mask or a click."""
