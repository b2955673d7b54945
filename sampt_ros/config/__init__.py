"""All parameters, with types, bounds and descriptions."""
