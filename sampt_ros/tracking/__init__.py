"""SAM-PT itself: query points, prompts, masks, re-initialisation and re-acquisition."""
