"""Live streams: the worker thread, its mailbox, and the control of the effort spent on each frame."""
