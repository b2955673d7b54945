"""General tools: threads, memory, GPU, timing and logging."""
