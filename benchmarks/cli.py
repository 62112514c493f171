"""The command `python -m benchmarks`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import chart, load, machine, measure, report
from benchmarks.errors import BenchmarkError
from benchmarks.results import Results
from benchmarks.roster import OTHERS
from benchmarks.uploads import uploads

app = typer.Typer(pretty_exceptions_enable=False)


@app.command()
def main(
    seconds: Annotated[int, typer.Option(min=1, help="of each load")] = 10,
    only: Annotated[
        list[str] | None,
        typer.Option(help="a contestant beside ours, may be repeated; all, if not given"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            help="write results.json and chart.png there, and the table into the page OUT.md",
        ),
    ] = None,
) -> None:
    """Measure the service against what others would pick, on this machine.

    Each contestant is started in turn as a server with the same weights, and
    loaded by wrk with two images at concurrency 1, 4, 16 and 64. One that is
    not installed is named as skipped. It takes some half an hour; nothing
    else should run meanwhile. CHEST_XRAY_ORIGINALS may name a folder of real
    X-rays, of which one is sent; otherwise a drawing is.
    """
    unknown = set(only or ()) - {contestant.name for contestant in OTHERS}
    if unknown:
        names = ", ".join(repr(contestant.name) for contestant in OTHERS)
        raise typer.BadParameter(f"The contestants are {names}.", param_hint="--only")
    try:
        results = run(seconds, only or [contestant.name for contestant in OTHERS])
        typer.echo(report.table(results))
        if out:
            publish(results, out)
            typer.echo(f"\nwrote {out} and {out.with_suffix('.md')}", err=True)
    except (BenchmarkError, OSError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from None
    if any(outcome.failed for outcome in results.outcomes):
        raise typer.Exit(1)


def run(seconds: int, names: list[str]) -> Results:
    """Measure our service, the bare loop and the contestants of these names.

    Raises:
        BenchmarkError: wrk is missing, or our own service failed.
    """
    load.check_wrk()
    # Before the uploads are drawn, which would count into the load average.
    described = machine.describe()
    sent = uploads()
    chosen = [contestant for contestant in OTHERS if contestant.name in names]
    outcomes = measure.measure(chosen, sent, seconds, lambda line: typer.echo(line, err=True))
    images = {upload.name: upload.description for upload in sent}
    return Results(datetime.now(UTC).date().isoformat(), described, images, seconds, outcomes)


def publish(results: Results, out: Path) -> None:
    """Write the JSON and the chart into the folder `out`, and the table into the page beside it.

    Raises:
        BenchmarkError: the page has no place for it.
    """
    page = out.with_suffix(".md")
    text = report.put(page.read_text(), report.fragment(results, f"{out.name}/chart.png"))
    chart.save(results, out / "chart.png")
    (out / "results.json").write_text(results.to_json())
    page.write_text(text)
