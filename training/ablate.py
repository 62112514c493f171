"""`python -m training.ablate`: a study beside the product, which chose what the network sees."""

from pathlib import Path
from typing import Annotated

import typer

from training.cli import Commands, TrainingSets
from training.quiet import start_keras

app = typer.Typer(
    cls=Commands, pretty_exceptions_enable=False, rich_markup_mode=None, add_completion=False
)


@app.command()
def ablate(
    sets: TrainingSets,
    lungs: Annotated[Path, typer.Option(help="the directory of a finished `lungs`")],
    out: Annotated[Path, typer.Option(file_okay=False, help="a JSON file for each view")],
    weights: Annotated[str, typer.Option(help="as for fit")] = "imagenet",
    view: Annotated[
        list[str] | None, typer.Option(help="one that is tried, may be repeated; all, if not given")
    ] = None,
    seed: Annotated[int, typer.Option(help="of the split")] = 0,
) -> None:
    """Tell which view of an image keeps the answer off how it was taken.

    Features of the untrained ImageNet network, pooled over the lungs, and a
    logistic regression, fitted to each view of the same images, are measured
    on held-out patients, and on groups of normal images that were taken
    differently from all that they were fitted to. What OUT holds is not
    computed again.
    """
    start_keras()
    from training.data import datasets
    from training.evaluation import ablation
    from training.fit import lung_training

    views = view or list(ablation.VIEWS)
    if unknown := set(views) - set(ablation.VIEWS):
        raise typer.BadParameter(f"{unknown.pop()!r} is none of {', '.join(ablation.VIEWS)}.")
    samples, finder = datasets.find_all(sets), lung_training.load(lungs)
    typer.echo(ablation.ablate(samples, finder, weights, out, views, seed))


if __name__ == "__main__":
    app(prog_name="python -m training.ablate")
