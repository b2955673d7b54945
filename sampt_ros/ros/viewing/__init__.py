"""The web page as a view of a running node."""
