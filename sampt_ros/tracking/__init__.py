"""SAM-PT itself."""
