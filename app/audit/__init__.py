"""The record of readings, and whether it is as it was written."""
