"""A trained network to a version of the model store."""
