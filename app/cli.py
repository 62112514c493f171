"""The command `pneumoscope`."""

import asyncio
import logging
import sys
from collections.abc import Coroutine
from datetime import datetime
from functools import partial
from importlib.metadata import version
from math import ceil
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
import uvicorn

from app.errors import ArchiveError, NodeError, NotReadyError, ReadError, RulesError
from app.host import environment, heartbeat, process
from app.http.protocol import protocol_for
from app.main import app_or_exit, settings_or_exit
from app.pacs.node.settings import NodeSettings
from app.reading.from_settings import load_reader, open_model
from app.reading.metrics import Metrics
from app.reading.reader import Reader
from app.settings import Settings
from model_store.store import ModelError

# For what is still at work when the last upload has come.
_LAST_SECONDS = 5

T = TypeVar("T")

cli = typer.Typer(
    no_args_is_help=True,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)
model = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Look after the models in the model store."
)
cli.add_typer(model, name="model")


@cli.callback()
def main(
    show_version: Annotated[
        bool, typer.Option("--version", help="Say the version, and end.", is_eager=True)
    ] = False,
) -> None:
    """Read chest X-rays for pneumonia. For research use only: not a medical device."""
    process.prepare()
    if show_version:
        typer.echo(version("pneumoscope"))
        raise typer.Exit


@cli.command(epilog=environment.listed(Settings))
def serve() -> None:
    """Serve over HTTP. Environment variables configure it."""
    _log_to_standard_error()
    app = app_or_exit()
    settings: Settings = app.state.settings
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        http=protocol_for(app),
        # uvicorn's lines are written as ours are.
        log_config=None,
        # They would have paths and queries in the log.
        ws="none",
        access_log=False,
        # As long as an upload may take, and as the slowest reader of an answer is waited for.
        timeout_graceful_shutdown=ceil(settings.upload_seconds) + _LAST_SECONDS,
    )


@cli.command(epilog=environment.listed(NodeSettings))
def dicom_node() -> None:
    """Read what a PACS sends by C-STORE, and send it the results.

    Environment variables configure it, and those of `serve` configure the model.
    """
    from app.pacs.node import node

    _log_to_standard_error()
    settings, node_settings = settings_or_exit(Settings), settings_or_exit(NodeSettings)
    metrics = Metrics()
    try:
        reader = load_reader(settings, metrics)
        told = node.run_until_told(node_settings, reader, metrics, settings.max_upload_bytes)
        asyncio.run(_beating(settings, reader, told))
    except (ModelError, NodeError, RulesError) as error:
        sys.exit(f"pneumoscope: {error}")


@cli.command()
def read(
    dicomweb: Annotated[str, typer.Option(metavar="URL", help="The PACS, over DICOMweb.")],
    study: Annotated[
        str | None, typer.Option(metavar="UID", help="Read this study, and end.")
    ] = None,
    again: Annotated[
        bool,
        typer.Option("--again", help="With --study: read also what has results, as a correction."),
    ] = False,
    poll: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", min=1, help="Look for new studies so often, and read them."
        ),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Oldest study date to poll; yesterday if unset."),
    ] = None,
    fhir: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Send each reading to this FHIR R4 server as well."),
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="PNEUMOSCOPE_NODE_RULES",
            help="The rules by which images are read or left out.",
        ),
    ] = None,
) -> None:
    """Read a study in a PACS, or every new one, and store the results in it.

    PNEUMOSCOPE_DICOMWEB_USERNAME and _PASSWORD, or _TOKEN, sign the requests, and
    PNEUMOSCOPE_FHIR_TOKEN those to a FHIR server; the environment variables of `serve` configure
    the model. Ends with 1 where an image or its results failed.
    """
    from app.pacs.rules import Rules
    from app.pacs.web import command
    from app.pacs.web.polling import yesterday

    settings = settings_or_exit(Settings)
    try:
        chosen = Rules.load(rules)
    except RulesError as error:
        sys.exit(f"pneumoscope: {error}")
    if study is not None and poll is None and since is None:
        work = partial(
            command.read_study, url=dicomweb, fhir=fhir, rules=chosen, study=study, again=again
        )
    elif study is None and poll is not None and not again:
        oldest = since.date if since else yesterday
        work = partial(
            command.poll, url=dicomweb, fhir=fhir, rules=chosen, seconds=poll, since=oldest
        )
    else:
        sys.exit("pneumoscope: give either --study, or --poll and perhaps --since.")
    _log_to_standard_error()
    try:
        reader = load_reader(settings, Metrics())
        sys.exit(asyncio.run(_beating(settings, reader, work(reader))))
    except (ModelError, ReadError) as error:
        sys.exit(f"pneumoscope: {error}")


@model.command()
def install(
    source: Annotated[
        Path, typer.Argument(exists=True, help="A version's folder, or a tar or ZIP archive of it.")
    ],
) -> None:
    """Verify a version of a model, and put it into the model store."""
    from model_store.install import install as put

    try:
        installed = put(source, settings_or_exit(Settings).model_store)
    except ModelError as error:
        sys.exit(f"pneumoscope: {error}")
    typer.echo(f"installed {installed.path}")


@model.command()
def verify() -> None:
    """Check the files of the model that `serve` would serve against its manifest and signature."""
    settings = settings_or_exit(Settings)
    try:
        verified = open_model(settings)
    except ModelError as error:
        sys.exit(f"pneumoscope: {error}")
    typer.echo(f"{verified.path}: {len(verified.manifest.files)} files are as they should be")


@cli.command()
def archive(
    folders: Annotated[
        list[Path], typer.Argument(metavar="FOLDER...", exists=True, help="What holds the images.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            dir_okay=False, metavar="FILE", help="The table: .parquet, .csv or .jsonl, new."
        ),
    ],
    overlays: Annotated[
        Path | None,
        typer.Option(file_okay=False, metavar="FOLDER", help="For a Grad-CAM overlay each, PNG."),
    ] = None,
    dicom: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            metavar="FOLDER",
            help="For a Structured Report and a Secondary Capture of each DICOM image.",
        ),
    ] = None,
    max_failures: Annotated[
        int, typer.Option(min=1, metavar="N", help="End where so many files fail in a row.")
    ] = 1000,
) -> None:
    """Read every image under folders, DICOM or not, into a table with a row for each file.

    Killed at any moment, the same command goes on where it was. The environment variables of
    `serve` configure the model. Ends with 0 once the table is written, whatever its rows say, with
    1 where it is not, and with 2 where the command itself is wrong.
    """
    from app.archive import command
    from app.archive.outputs import Outputs

    settings = settings_or_exit(Settings)
    outputs = Outputs(overlays, dicom)
    wanted = command.Archive(folders, out, outputs, settings.max_upload_bytes, max_failures)

    async def work(reader: Reader) -> None:
        async with reader.running():
            await reader.ready()
            await command.read(reader, wanted)

    try:
        command.check(wanted)
        reader = load_reader(settings, Metrics())
        asyncio.run(_beating(settings, reader, work(reader)))
    except (ArchiveError, ModelError, NotReadyError) as error:
        sys.exit(f"pneumoscope: {error}")


@cli.command()
def rules(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The rules.")],
    images: Annotated[list[Path], typer.Argument(metavar="DICOM...", exists=True, dir_okay=False)],
    source: Annotated[
        str, typer.Option(metavar="AE", help="Who sends the images, where a file does not say.")
    ] = "",
) -> None:
    """Explain which images would be read by rules, and why; nothing is read.

    Ends with 1 where the rules are wrong, or an image cannot be read.
    """
    from app.pacs.dry_run import explained
    from app.pacs.rules import Rules

    try:
        chosen = Rules.load(file)
    except RulesError as error:
        sys.exit(f"pneumoscope: {error}")
    max_pixels = settings_or_exit(Settings).max_pixels
    explanations = [explained(chosen, path.read_bytes(), source, max_pixels) for path in images]
    for path, explanation in zip(images, explanations, strict=True):
        typer.echo(f"{path}: {explanation}")
    sys.exit(any(explanation.failed for explanation in explanations))


@cli.command()
def licences() -> None:
    """List the licences of all that is installed with the service."""
    from app.host.licences import of_what_ships

    for line in of_what_ships():
        typer.echo("\t".join(line))


async def _beating(settings: Settings, reader: Reader, work: Coroutine[Any, Any, T]) -> T:
    """Work, and tell by the heartbeat file meanwhile that all is well."""
    async with heartbeat.beating(settings.heartbeat, lambda: reader.is_ready):
        return await work


def _log_to_standard_error() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
