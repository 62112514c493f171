from app.codes import Label, Reason, WarningCode


def test_every_warning_is_a_reason_for_a_person_to_read() -> None:
    assert {*Reason} == {*WarningCode} | {Reason.BOTH_LABELS_POSSIBLE}


def test_they_are_written_as_they_are_told() -> None:
    assert f"{Label.PNEUMONIA} {WarningCode.LUNGS_CUT_OFF}" == "PNEUMONIA lungs_cut_off"
