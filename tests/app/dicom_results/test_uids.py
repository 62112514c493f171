from app.dicom_results.uids import derive, number


def test_a_uid_follows_from_its_parts() -> None:
    assert derive("report", "1.2.3") == derive("report", "1.2.3")
    # From now on: another one would make a second object of each that is already stored.
    assert derive("report", "1.2.3") == "2.25.196161245457944524520688245204762146291"


def test_other_parts_have_another_uid() -> None:
    parts = [("a", "bc"), ("ab", "c"), ("abc",), ("a", "bc", ""), ("a", "bd")]
    assert len({derive(*some) for some in parts}) == len(parts)


def test_uids_are_valid() -> None:
    for index in range(100):
        uid = derive(str(index))
        assert uid.is_valid
        assert len(uid) <= 64


def test_numbers_follow_from_uids_and_tell_those_of_a_study_apart() -> None:
    numbers = [number(derive(str(index))) for index in range(20)]
    assert numbers == [number(derive(str(index))) for index in range(20)]
    assert len(set(numbers)) == 20
    assert min(numbers) >= 1
    assert max(numbers) < 10**6
