"""``renderwatch simulate``: a stand-in for the Magic Hour API."""

from collections.abc import Sequence

import click

from worker.simulator import Faults, SimulatorOptions, serve

_RATE = click.FloatRange(0, 1)


@click.command(short_help="Serve a stand-in for the Magic Hour API.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8787, show_default=True, type=click.IntRange(0, 65535), help="0 takes any free one.")
@click.option("--seed", default=0, show_default=True, help="The same seed gives the same ids and lives.")
@click.option("--time-scale", default=1.0, show_default=True, help="10 lets everything happen ten times faster.")
@click.option("--failure-rate", default=SimulatorOptions().failure_rate, show_default=True, type=_RATE)
@click.option("--cancel-rate", default=SimulatorOptions().cancel_rate, show_default=True, type=_RATE)
@click.option("--correction-rate", default=SimulatorOptions().correction_rate, show_default=True, type=_RATE)
@click.option("--fault", "faults", multiple=True, metavar="NAME=RATE", help="Misbehave: 503=0.05, html=0.01, …")
def simulate(  # noqa: PLR0913, PLR0917  click passes each option by its name
    host: str,
    port: int,
    seed: int,
    time_scale: float,
    failure_rate: float,
    cancel_rate: float,
    correction_rate: float,
    faults: Sequence[str],
) -> None:
    """Serve a stand-in for the Magic Hour API, for tests and trials: creates, projects, credits, refunds.

    \b
    renderwatch simulate --port 8787 --time-scale 10
    renderwatch simulate --fault 503=0.05 --fault 429_seconds=0.01 --fault dropped=0.01
    MAGIC_HOUR_BASE_URL=http://127.0.0.1:8787 MAGIC_HOUR_API_KEY=any renderwatch up
    """
    try:
        options = SimulatorOptions(
            seed=seed,
            time_scale=time_scale,
            faults=Faults(rates=dict(map(_rate, faults))),
            failure_rate=failure_rate,
            cancel_rate=cancel_rate,
            correction_rate=correction_rate,
        )
        serve(options, host, port, announce=lambda url: click.echo(f"simulating the Magic Hour API on {url}"))
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None


def _rate(text: str) -> tuple[str, float]:
    name, _, rate = text.partition("=")
    try:
        return name, float(rate)
    except ValueError:
        raise ValueError(f"--fault {text}: write NAME=RATE, such as 503=0.05") from None
