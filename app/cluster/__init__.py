"""An archive that many machines read, with Ray."""
