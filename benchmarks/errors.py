"""What stops a benchmark, or a contestant's part of it."""


class BenchmarkError(Exception):
    """Something that cannot be measured; the message is one sentence that says why."""
