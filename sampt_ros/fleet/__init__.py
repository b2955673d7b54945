"""Many recordings at once, on this machine's processes or on a Ray cluster: a task each, retried, resumed, reported."""
