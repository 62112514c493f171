"""Bytes to pixels, and pixels to pictures."""
