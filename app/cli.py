"""The command `pneumoscope`."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import Coroutine
from contextlib import closing, nullcontext
from datetime import datetime
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
import uvicorn

from app.dicom_results import kinds
from app.errors import (
    ArchiveError,
    CertificateError,
    NodeError,
    NotReadyError,
    ProfileError,
    ReadError,
    RulesError,
    ServeError,
    VerifyError,
)
from app.host import environment, hangup, heartbeat, process
from app.http import tls, tokens
from app.http.access import warn_if_open
from app.http.protocol import UNBOUNDED, protocol_for
from app.main import app_or_exit, settings_or_exit
from app.pacs.node.settings import NodeSettings
from app.reading.from_settings import load_reader, open_model
from app.reading.metrics import Metrics
from app.reading.reader import Reader
from app.settings import Settings
from model_store import store
from model_store.store import ModelError

if TYPE_CHECKING:
    from app.archive.command import Archive

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
audit = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Look after the record of readings."
)
cli.add_typer(audit, name="audit")


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
    """Serve over HTTP. Environment variables configure it.

    SIGHUP has it change to the version of the model that is in use then.
    """
    hangup.ignore()
    _log_to_standard_error()
    settings = settings_or_exit(Settings)
    try:
        tls_options = tls.options(settings)
    except CertificateError as error:
        sys.exit(f"pneumoscope: {error}")
    app = app_or_exit(settings)
    warn_if_open(settings)
    protocol = protocol_for(app)
    is_bounded_tls = tls_options and protocol != UNBOUNDED
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        http=protocol,
        loop="app.http.handshakes:SecuringLoop" if is_bounded_tls else "auto",
        # uvicorn's lines are written as ours are.
        log_config=None,
        # They would have paths and queries in the log.
        ws="none",
        access_log=False,
        # As long as an upload may take, and as the slowest reader of an answer is waited for.
        timeout_graceful_shutdown=ceil(settings.upload_seconds) + _LAST_SECONDS,
        **tls_options,
    )


@cli.command(epilog=environment.listed(NodeSettings))
def dicom_node() -> None:
    """Read what a PACS sends by C-STORE, and send it the results.

    Environment variables configure it, and those of `serve` configure the model. SIGHUP has it
    change to the version of the model that is in use then.
    """
    hangup.ignore()
    from app.pacs.node import node

    _log_to_standard_error()
    settings, node_settings = settings_or_exit(Settings), settings_or_exit(NodeSettings)
    metrics = Metrics()
    try:
        reader = load_reader(settings, metrics)
        told = node.run_until_told(node_settings, settings, reader, metrics)
        asyncio.run(_beating(settings, reader, told))
    except (CertificateError, ModelError, NodeError, ProfileError, RulesError) as error:
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
            metavar="SECONDS",
            min=1,
            help="Look for new studies so often, or for workitems, and read them.",
        ),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Oldest study date to poll; yesterday if unset."),
    ] = None,
    worklist: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Poll for the workitems of this worklist, over DICOMweb (UPS-RS)."
        ),
    ] = None,
    claims: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="With --worklist: tells own claims from others', also after a restart.",
        ),
    ] = None,
    station: Annotated[
        str,
        typer.Option(
            metavar="CODE", help="With --worklist: take the workitems that name this station."
        ),
    ] = "PNEUMOSCOPE",
    workitem: Annotated[
        str | None,
        typer.Option(
            metavar="CODE",
            help="With --worklist: take this workitem code only, also where no station is named.",
        ),
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
    results: Annotated[
        str,
        typer.Option(
            metavar="KINDS",
            envvar="PNEUMOSCOPE_NODE_RESULTS",
            help="What is stored: of evidence, lungs, overlay and report, separated by commas.",
        ),
    ] = ",".join(kinds.USUAL),
    audit: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            file_okay=False,
            help="Keep a record of each reading here, which nothing else writes.",
        ),
    ] = None,
) -> None:
    """Read a study in a PACS, every new one, or a worklist, and store the results.

    PNEUMOSCOPE_DICOMWEB_USERNAME and _PASSWORD, or _TOKEN, sign the requests, and
    PNEUMOSCOPE_FHIR_TOKEN those to a FHIR server; the environment variables of `serve` configure
    the model. SIGHUP has --poll change to the version of the model that is in use then. Ends with 1
    where an image or its results failed.
    """
    from app.audit.record import Record
    from app.pacs.results import Selection
    from app.pacs.rules import Rules
    from app.pacs.web import command
    from app.pacs.web.polling import yesterday
    from app.pacs.web.workitem import Assignment

    settings, metrics = settings_or_exit(Settings), Metrics()
    try:
        selection = Selection(Rules.load(rules), kinds.named(results))
    except RulesError as error:
        sys.exit(f"pneumoscope: {error}")
    except ValueError as error:
        raise typer.BadParameter(f"{error}.", param_hint="--results") from error
    is_of_worklist = worklist is not None or claims is not None or workitem is not None
    if study is not None and poll is None and since is None and not is_of_worklist:
        work = partial(command.read_study, study=study, again=again)
    elif worklist and claims and poll is not None and not (study or again or since):
        work = partial(
            command.perform,
            settings=settings,
            metrics=metrics,
            seconds=poll,
            tasks=command.Tasks(worklist, claims, Assignment(station, workitem)),
        )
    elif study is None and poll is not None and not again and not is_of_worklist:
        oldest = since.date if since else yesterday
        work = partial(command.poll, settings=settings, metrics=metrics, seconds=poll, since=oldest)
    else:
        sys.exit(
            "pneumoscope: give either --study, or --poll and perhaps --since, "
            "or --poll, --worklist and --claims."
        )
    if poll is not None:
        hangup.ignore()
    _log_to_standard_error()
    try:
        reader = load_reader(settings, metrics)
        recording = closing(Record(audit, setting="--audit")) if audit else nullcontext()
        with recording as record:
            pacs = command.Pacs(dicomweb, fhir, selection._replace(record=record))
            sys.exit(asyncio.run(_beating(settings, reader, work(reader, pacs=pacs))))
    except (ModelError, NotReadyError, ProfileError, ReadError, ServeError) as error:
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
def use(
    version: Annotated[int, typer.Argument(min=1, help="The version's number.")],
) -> None:
    """Have a version be the one in use, whichever is the newest.

    It is verified first. What runs uses it from its next start on; `serve`, `dicom-node` and `read
    --poll` also on SIGHUP.
    """
    settings = settings_or_exit(Settings).model_copy(update={"model_version": version})
    try:
        opened = open_model(settings)
        store.use(settings.model_store, settings.model_name, version)
    except ModelError as error:
        sys.exit(f"pneumoscope: {error}")
    typer.echo(f"{opened.path} is in use")


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
        list[str], typer.Argument(metavar="FOLDER...", help="What holds the images.")
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
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Read on this Ray cluster, or on `auto`; folders may be URIs such as s3://.",
        ),
    ] = None,
) -> None:
    """Read every image under folders, DICOM or not, into a table with a row for each file.

    Killed at any moment, the same command goes on where it was. The environment variables of
    `serve` configure the model. Ends with 0 once the table is written, whatever its rows say, with
    1 where it is not, and with 2 where the command itself is wrong.
    """
    from app.archive import command, files
    from app.archive.outputs import Outputs

    settings = settings_or_exit(Settings)
    outputs = Outputs(overlays, dicom)
    wanted = command.Archive(folders, out, outputs, settings.max_upload_bytes, max_failures)
    if ray and outputs.folders:
        raise typer.BadParameter("A cluster writes the table only.", param_hint="--ray")
    for folder in () if ray else folders:
        if "://" in folder:
            raise typer.BadParameter("A URI needs --ray.", param_hint="FOLDER...")
        try:
            files.check(folder)
        except OSError as error:
            said = f"{folder} cannot be read: {error.strerror}."
            raise typer.BadParameter(said, param_hint="FOLDER...") from error

    try:
        command.check(wanted)
        if ray:
            _cluster().read(wanted, settings, ray)
        else:
            _read_archive(settings, wanted)
    except (ArchiveError, ModelError, NotReadyError, ProfileError) as error:
        sys.exit(f"pneumoscope: {error}")


@cli.command()
def commission(
    source: Annotated[
        Path,
        typer.Argument(
            exists=True,
            metavar="FOLDER|TABLE",
            help="What holds the images, or the table that `archive` wrote of them.",
        ),
    ],
    labels: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="See docs/commission.md.")
    ],
    out: Annotated[
        Path, typer.Option(file_okay=False, help="For profile.json and report.html.")
    ] = Path("site"),
    sensitivity: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="That the site asks for.")
    ] = 0.95,
    prevalence: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            max=0.999,
            help="Of PNEUMONIA, where the model will be used; if unset, of the labels.",
        ),
    ] = None,
) -> None:
    """Measure on a site's own labelled images whether the model's numbers hold there.

    The images of FOLDER are read first, by no site profile, into OUT/rows.jsonl, which is not read
    again. Needs the extra `training`: this is `python -m training commission`.
    """
    from app.archive import command

    if not find_spec("sklearn"):
        sys.exit("pneumoscope: commission needs: pip install 'pneumoscope[training]'.")
    table = source
    if source.is_dir():
        table = out / "rows.jsonl"
        settings = settings_or_exit(Settings).model_copy(update={"profile": None})
        wanted = command.Archive([str(source)], table, max_bytes=settings.max_upload_bytes)
        try:
            if table.exists() and not wanted.journal.exists():
                typer.echo(f"going by {table}; remove it to have the images read again", err=True)
            else:
                command.check(wanted)
                _read_archive(settings, wanted)
        except (ArchiveError, ModelError, NotReadyError) as error:
            sys.exit(f"pneumoscope: {error}")
    # Nothing of `app` imports `training`, whose libraries the service does without.
    measuring = [sys.executable, "-m", "training", "commission", str(table)]
    measuring += ["--labels", str(labels), "--out", str(out), "--sensitivity", str(sensitivity)]
    measuring += [] if prevalence is None else ["--prevalence", str(prevalence)]
    sys.exit(subprocess.run(measuring, check=False).returncode)  # noqa: S603


def _read_archive(settings: Settings, wanted: "Archive") -> None:
    from app.archive import command

    async def work(reader: Reader) -> None:
        async with reader.running():
            await reader.ready()
            await command.read(reader, wanted)

    reader = load_reader(settings, Metrics())
    asyncio.run(_beating(settings, reader, work(reader)))


def _cluster() -> ModuleType:
    try:
        from app.cluster import command
    except ImportError:
        sys.exit("pneumoscope: --ray needs Ray: pip install 'pneumoscope[ray]'.")
    return command


@cli.command("verify")
def verify_report(
    report: Annotated[
        Path,
        typer.Argument(
            help="A Structured Report, a JSON answer, or a table that `archive` wrote (.csv, "
            ".jsonl, .parquet)."
        ),
    ],
    image: Annotated[Path, typer.Argument(help="The file that was read.")],
) -> None:
    """Compute anew what a report says of an image, and say whether it holds.

    The environment variables of `serve` name the model and the site profile. Ends with 0 where the
    report holds, with 1 where something in it is otherwise, and with 2 where it cannot be checked.
    """
    from app.verify import command

    try:
        settings = settings_or_exit(Settings)
        # What a report says of an image without lungs can be checked too.
        reader = load_reader(settings.model_copy(update={"unsuitable": "warn"}), Metrics())
        checks = asyncio.run(command.verify(reader, report, image))
    except (ArchiveError, ModelError, NotReadyError, ProfileError, VerifyError) as error:
        typer.echo(f"pneumoscope: {error}", err=True)
        raise typer.Exit(2) from error
    # Of wrong settings, which are told already.
    except SystemExit:
        raise typer.Exit(2) from None
    for check in checks:
        typer.echo(str(check))
    raise typer.Exit(0 if all(check.holds for check in checks) else 1)


@audit.command(name="verify")
def verify_record(
    path: Annotated[
        Path, typer.Argument(exists=True, help="The record's folder, or one of its files.")
    ],
) -> None:
    """Check that no line of a record of readings is missing, changed or out of its place.

    Ends with 1 where one is. Keep the last line's number and SHA-256, which are printed, elsewhere:
    the record alone cannot tell that lines are missing at its end.
    """
    from app.audit.verify import verify as look

    try:
        found = look(path)
    except OSError as error:
        sys.exit(f"pneumoscope: the record cannot be read: {error.strerror}.")
    for sentence in found.wrong:
        typer.echo(sentence)
    if found.first > 1:
        typer.echo(f"The record begins with line {found.first}: older files are not there.")
    typer.echo(f"{found.lines} lines; the last is line {found.last}, SHA-256 {found.digest}")
    if found.wrong:
        raise typer.Exit(1)


@cli.command()
def token(
    name: Annotated[str, typer.Argument(help="Who it is for, as metrics and records say it.")],
) -> None:
    """Make a new token, with which NAME may ask, and the line for the file of tokens.

    The token is shown this once. The file, which PNEUMOSCOPE_TOKENS names, holds its SHA-256: a
    fast digest, which is right for 256 random bits, though it would not be for a password.
    """
    try:
        made, line = tokens.new(name)
    except ValueError as error:
        sys.exit(f"pneumoscope: {error}")
    typer.echo(f"The token, for {name} alone:\n{made}\n\nThe line for the file of tokens:\n{line}")


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
