"""CoTracker3, where its package is installed."""
