"""Running the model: two engines over the same files, and the batcher before them."""
