"""What the process asks of its machine, and tells it."""
