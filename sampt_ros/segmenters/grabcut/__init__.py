"""GrabCut, around a mask prompt or a click."""
