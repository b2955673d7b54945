"""Points found again by matching: SuperPoint with SuperGlue or LightGlue, from the transformers package."""
