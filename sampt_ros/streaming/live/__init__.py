"""The thread that works on a live camera's stream, what it is handed, and how much effort it can afford."""
