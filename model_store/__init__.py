"""The versions of the model, and the code that lists, verifies and resolves them."""
