"""The commands that hand out what the lake holds: files for other programs, a report for people, and the read API."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from intelligence.interfaces.cli import session
from intelligence.interfaces.cli.options import EVERY_DAY
from resources.lake.without_pandas import without_pandas

app = typer.Typer()


@app.command(
    rich_help_panel=EVERY_DAY, epilog="Example: intelligence export reports --table metrics.kpi_day --format csv"
)
@without_pandas()
def export(
    folder: Annotated[Path, typer.Argument(help="Where the files are written.")],
    table: Annotated[
        list[str] | None, typer.Option(help="Table such as metrics.kpi_day, or `all`; may be given more than once.")
    ] = None,
    form: Annotated[Literal["parquet", "csv"], typer.Option("--format", help="Form of the tables.")] = "parquet",
) -> None:
    """Write files for other programs: metrics, importance, baselines, drift and a report, or the tables that are named."""
    service = session.platform().export
    for path in service.tables(folder, table, form) if table else service.artefacts(folder):
        session.say(str(path))


@app.command(rich_help_panel=EVERY_DAY, epilog="Example: intelligence report today.html")
def report(file: Annotated[Path, typer.Argument(help="The HTML file to write.")]) -> None:
    """Write all pages into one HTML file that needs no network, for mail or an archive."""
    from resources.services.export import put_whole

    text = session.platform().report.html()
    session.say(str(put_whole(file.parent, file.name, lambda path: path.write_text(text, encoding="utf-8"))))


@app.command(rich_help_panel=EVERY_DAY, epilog="Example: intelligence api --port 8600")
def api(port: Annotated[int, typer.Option(min=1, max=65_535, help="Port on loopback.")] = 8502) -> None:
    """Serve the read API on this machine until Ctrl-C; `up` serves it too."""
    from intelligence.interfaces.api.app import app_of
    from intelligence.interfaces.api.keys import with_keys
    from resources.config.settings import api_keys
    from resources.processes.front.serving import LOOPBACK, require_free, served

    require_free("The read API", port, option="--port")
    keys = api_keys()
    session.say(f"http://{LOOPBACK}:{port}/v1")
    platform = session.platform()
    served(with_keys(app_of(platform.rows, platform.reading), keys), port=port)
