"""Published weights: fetched, verified, loaded."""
