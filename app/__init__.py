"""The pneumoscope service."""
