"""One radiograph, read: who may have it read, what the model answers, and what that means."""
