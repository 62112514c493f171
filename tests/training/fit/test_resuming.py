from pathlib import Path

from training.fit.resuming import LOG, seed


def test_each_phase_and_each_epoch_that_it_goes_on_from_has_a_seed_of_its_own(
    tmp_path: Path,
) -> None:
    first, second = tmp_path / "1-head", tmp_path / "2-small"
    second.mkdir()
    seeds = [seed(0, first), seed(1, first), seed(0, second)]
    for rows in (1, 2):
        (second / LOG).write_text("epoch\n" + "".join(f"{epoch}\n" for epoch in range(rows)))
        seeds.append(seed(0, second))
    assert len(set(seeds)) == len(seeds)
    assert seed(0, second) == seeds[-1]
    assert all(0 <= one < 2**31 for one in seeds)
