"""The commands of `python -m training`."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from app.inference.contract import Choice
from model_store.store import DEFAULT_NAME, DEFAULT_ROOT
from training.quiet import start_keras

TrainingSets = Annotated[
    list[str],
    typer.Argument(metavar="NAME=DIR...", help="labelled images, such as kermany=chest_xray"),
]
ModelStore = Annotated[
    Path, typer.Option(help="the folder of the models", show_default="the project's own")
]
ModelName = Annotated[str, typer.Option(help="the model's name there")]

OUR_PACKAGES = {"app", "model_store", "training"}


class Commands(TyperGroup):
    """Tells an error of our own, or of a file, in one sentence; any other one is a bug."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            ours = type(error).__module__.partition(".")[0] in OUR_PACKAGES
            if not ours and not (isinstance(error, OSError) and error.filename):
                raise
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=Commands,
    help="Train a model on chest X-rays, measure it, and put it into the model store.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)


@app.command()
def download(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="becomes DIR/{train,test,val}/{NORMAL,PNEUMONIA}")
    ],
) -> None:
    """Fetch the Chest X-Ray Images (Pneumonia) from Kaggle, 1.2 GB."""
    from training.data.download import download as run_download

    typer.echo(f"the images are in {run_download(folder)}")


@app.command()
def lungs(
    sets: TrainingSets,
    masks: Annotated[
        Path,
        typer.Option(help="masks that people drew, beside the images or in V7's layout"),
    ],
    run: Annotated[
        Path, typer.Option(file_okay=False, help="where the run is kept; give it again to resume")
    ],
    epochs: Annotated[int, typer.Option(min=1, help="of the first round")] = 14,
    more_epochs: Annotated[int, typer.Option(min=1, help="of the second round")] = 7,
    learning_rate: Annotated[float, typer.Option(help="Adam's")] = 2e-3,
    seed: Annotated[int, typer.Option(help="of the split, the initialisers and the order")] = 0,
) -> None:
    """Train the lung finder, which `fit` needs.

    The first round learns from the masks, the second one also from what the
    first one answers to the sets that have none. Validation and calibration
    patients are held out, and those of `fit` are the same.
    """
    start_keras()
    from training.fit.lung_training import Config
    from training.fit.lung_training import fit as run_fit

    config = Config(tuple(sets), str(masks), epochs, more_epochs, learning_rate, seed)
    typer.echo(f"the weights are {run_fit(config, run)}")


@app.command()
def fit(
    sets: TrainingSets,
    lungs: Annotated[Path, typer.Option(help="the directory of a finished `lungs`")],
    run: Annotated[
        Path, typer.Option(file_okay=False, help="where the run is kept; give it again to resume")
    ],
    backbone: Annotated[str, typer.Option(help="a class of keras.applications")] = "ResNet50",
    weights: Annotated[
        str, typer.Option(help="imagenet (downloaded), none, or a local .npz or .h5 file")
    ] = "imagenet",
    start: Annotated[
        Path | None,
        typer.Option(help="the directory of a finished fit to go on from, instead of --weights"),
    ] = None,
    dropout: Annotated[float, typer.Option(min=0, max=0.9)] = 0.3,
    batch_size: Annotated[int, typer.Option(min=1)] = 32,
    head_epochs: Annotated[int, typer.Option(min=1, help="most epochs of the first phase")] = 1,
    head_learning_rate: Annotated[float, typer.Option(help="Adam's, in the first phase")] = 5e-4,
    small_epochs: Annotated[int, typer.Option(min=0, help="most epochs of the second phase")] = 12,
    epochs: Annotated[int, typer.Option(min=1, help="most epochs of the third phase")] = 12,
    learning_rate: Annotated[float, typer.Option(help="Adam's, after the first phase")] = 1e-4,
    weight_decay: Annotated[float, typer.Option(help="AdamW's")] = 1e-4,
    label_smoothing: Annotated[
        float, typer.Option(min=0, max=0.5, help="keeps the logits small")
    ] = 0.1,
    precision: Annotated[
        Literal["float32", "mixed_bfloat16"],
        typer.Option(help="of the computation; mixed_bfloat16 is faster on new CPUs and GPUs"),
    ] = "float32",
    seed: Annotated[int, typer.Option(help="of the split, the initialisers and the order")] = 0,
) -> None:
    """Fine-tune an ImageNet network to tell PNEUMONIA from NORMAL in the lung field.

    First the layers without ImageNet weights are trained, then the whole
    network at a lower rate, on small fields and then on large ones, each phase
    until the area under the validation patients' ROC curve stops growing.
    With --start, the network of another fit is trained on, without the first phase.
    Every label of every set counts alike. Validation and calibration patients
    are held out.

    RUN holds the log of every epoch and the best weights. A fit that was
    killed at any moment resumes with the same command. `export` makes a
    model of a finished run.
    """
    start_keras()
    from training.fit.fine_tuning import Config
    from training.fit.fine_tuning import fit as run_fit

    config = Config(
        sets=tuple(sets),
        lungs=str(lungs),
        backbone=backbone,
        weights=weights,
        dropout=dropout,
        batch_size=batch_size,
        head_epochs=head_epochs,
        head_learning_rate=head_learning_rate,
        small_epochs=small_epochs,
        epochs=epochs,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        label_smoothing=label_smoothing,
        precision=precision,
        seed=seed,
        start=str(start) if start else None,
    )
    typer.echo(f"the weights are {run_fit(config, run)}")


@app.command()
def export(
    run: Annotated[Path, typer.Option(help="the directory of a finished fit")],
    model_store: ModelStore = DEFAULT_ROOT,
    name: ModelName = DEFAULT_NAME,
    version: Annotated[
        int | None, typer.Option(min=1, help="the version's number; the next one, if not given")
    ] = None,
    about: Annotated[
        Path | None,
        typer.Option(
            help="Markdown for the model card: what the model is for, whose images it learnt from",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
) -> None:
    """Calibrate a finished fit and write it as a version of a model.

    On patients that training never saw, it fits the scaling of the
    probability, the prediction sets and the novelty limit. It writes the
    SavedModel, its manifest model.json, figures and MODEL_CARD.md, and never
    overwrites a version.
    """
    start_keras()
    from training.export.release import export as run_export

    text = about.read_text() if about else ""
    typer.echo(f"wrote {run_export(run, model_store / name, version, text)}")


@app.command()
def evaluate(
    data_dir: Annotated[
        Path, typer.Argument(metavar="DIR", help="labelled images, laid out as --dataset says")
    ],
    out: Annotated[
        Path, typer.Option(file_okay=False, help="where metrics.json and figures/ are written")
    ],
    dataset: Annotated[
        Literal["kermany", "nih", "rsna", "table"],
        typer.Option(
            help="kermany: DIR/{NORMAL,PNEUMONIA}/*, your own images too; nih: ChestX-ray14;"
            " rsna: the Pneumonia Detection Challenge of 2018; table: DIR/manifest.csv beside"
            " images, see docs/data.md"
        ),
    ] = "kermany",
    explanations: Annotated[
        int,
        typer.Option(min=0, help="on how many images Grad-CAM is checked, some seconds each"),
    ] = 16,
    model_store: ModelStore = DEFAULT_ROOT,
    name: ModelName = DEFAULT_NAME,
    version: Annotated[
        int | None, typer.Option(min=1, help="the model's version; the newest, if not given")
    ] = None,
    engine: Annotated[
        Choice,
        typer.Option(help="auto takes TensorFlow where it sees a GPU, OpenVINO elsewhere"),
    ] = "auto",
) -> None:
    """Measure a model of the store on labelled images, as the service would answer them.

    OUT/report.html tells it all in one file, OUT/metrics.json in numbers,
    each with its 95 % interval: accuracy, areas under the ROC and the
    precision-recall curve, sensitivity and specificity at the model's
    threshold, calibration error and Brier score, coverage of the prediction
    sets, confusion matrix and classification report. Besides: what the
    answers owe to how the images were taken, what the novelty warning
    catches, and whether Grad-CAM explains the model.

    OUT/figures/ has the pictures, with a gallery of right and wrong answers
    and their Grad-CAM overlays.

    Files of these names are overwritten; a broken image is named and left out.
    """
    start_keras()
    from app.inference.load import load
    from model_store.store import resolve
    from training.data import datasets
    from training.evaluation.evaluate import evaluate as run_evaluate
    from training.evaluation.evaluate import summary

    model = resolve(model_store, name, version)
    samples = datasets.find(dataset, data_dir)
    metrics = run_evaluate(model, load(model, engine), samples, out, explanations)
    typer.echo(f"\n{summary(metrics)}\n\nwrote {out}")


@app.command()
def commission(
    table: Annotated[Path, typer.Argument(help="what `pneumoscope archive` wrote of the images")],
    labels: Annotated[
        Path,
        typer.Option(
            help="CSV of label, and of file, sop_instance_uid or sha256, or the RSNA's or"
            " NIH's table; see docs/commission.md"
        ),
    ],
    out: Annotated[
        Path, typer.Option(file_okay=False, help="where profile.json and report.html are written")
    ],
    sensitivity: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="that the site asks for")
    ] = 0.95,
    prevalence: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            max=0.999,
            help="the share of PNEUMONIA where the model will be used; that of the labels, if not"
            " given",
        ),
    ] = None,
) -> None:
    """Measure on a site's own labelled images whether a model's numbers hold there.

    OUT/report.html tells discrimination, calibration, coverage, how many
    images are unlike the training images, and each group of patients, with
    95 % intervals and how many more images would be needed.
    OUT/profile.json has the prevalence, the threshold for the sensitivity
    that is asked for and the limits of the prediction sets, bound to the
    model by its digest. Neither holds anything of an image.
    """
    from training.evaluation.commission import commission as run_commission

    run_commission(table, labels, out, sensitivity, prevalence)
    typer.echo(f"wrote {out}")
