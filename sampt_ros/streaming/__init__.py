"""One camera's stream, live or recorded: events in, tracked frames out."""
