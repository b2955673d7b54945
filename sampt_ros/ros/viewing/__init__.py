"""A running node as people see it in the browser."""
