"""Quality and speed, measured where the truth is known."""
