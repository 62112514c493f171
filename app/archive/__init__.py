"""Folders of images to a table: a row for each file."""
