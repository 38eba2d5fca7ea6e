"""The command line: `shifty --help`."""

from importlib.metadata import version as installed_version
from typing import Annotated

import typer

from shifty_pipelines.cli import aggregate, demo, missions, people, processes, webhooks
from shifty_pipelines.cli.terminal import refusing

app = typer.Typer(
    name="shifty",
    help=(
        "Production errors and human judgement become better test-AI models, per tenant and under governance.\n\n"
        "Everything of this installation lies in SHIFTY_HOME (.shifty in the current folder). `shifty up` starts all of"
        " it; `shifty demo` shows the main job on real input."
    ),
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(rich_help_panel="Run")(processes.up)
app.command(rich_help_panel="Run")(processes.down)
app.command(rich_help_panel="Run")(processes.migrate)
app.command(rich_help_panel="Run")(demo.demo)
app.add_typer(people.tenants, name="tenants", rich_help_panel="Govern")
app.add_typer(people.users, name="users", rich_help_panel="Govern")
app.add_typer(aggregate.labels, name="labels", rich_help_panel="Govern")
app.add_typer(missions.missions, name="missions", rich_help_panel="Govern")
app.add_typer(people.api_keys, name="api-keys", rich_help_panel="Govern")
app.add_typer(webhooks.webhooks, name="webhooks", rich_help_panel="Govern")
app.command(hidden=True)(processes.sidecar)
app.command(hidden=True, name="dagster-ui")(processes.dagster_ui)


@app.command(rich_help_panel="Run")
def version(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print this program's version."""
    number = installed_version("shifty-pipelines")
    typer.echo(f'{{"version": "{number}"}}' if as_json else f"shifty {number}")


def main() -> None:
    """Run the command line; a refusal is one clear message and exit status 1, never a traceback."""
    with refusing():
        app()
