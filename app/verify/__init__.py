"""Whether what a report says of an image holds."""
