"""Labelled images, from whichever set they come."""
