"""The kinds of results that go into a study, by their names in settings, rules and files."""

# In the order in which they are sent: the report tells that an image was read.
EVIDENCE, LUNGS, OVERLAY, REPORT = KINDS = ("evidence", "lungs", "overlay", "report")
# Of these, what is made where nothing else is asked for.
USUAL = OVERLAY, REPORT


def named(names: str) -> tuple[str, ...]:
    """The kinds in a list that a person wrote.

    Args:
        names: separated by commas.

    Raises:
        ValueError: another name is among them, or the report is not.
    """
    wanted = tuple(name.strip() for name in names.split(",") if name.strip())
    if REPORT not in wanted or not set(wanted) <= set(KINDS):
        raise ValueError(f"Results are of {', '.join(KINDS)}, with {REPORT} always among them")
    return wanted
