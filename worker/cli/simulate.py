"""``renderwatch simulate``: a simulator of the Magic Hour API."""

from collections.abc import Mapping, Sequence

import click

from worker.simulator import Faults, SimulatorOptions, WebhookOptions, serve

_RATE = click.FloatRange(0, 1)


@click.command(short_help="Serve a simulator of the Magic Hour API.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8787, show_default=True, type=click.IntRange(0, 65535), help="0 picks a free port.")
@click.option("--seed", default=0, show_default=True, help="The same seed produces the same projects.")
@click.option("--time-scale", default=1.0, show_default=True, help="10 runs everything ten times faster.")
@click.option("--failure-rate", default=SimulatorOptions().failure_rate, show_default=True, type=_RATE)
@click.option("--cancel-rate", default=SimulatorOptions().cancel_rate, show_default=True, type=_RATE)
@click.option("--correction-rate", default=SimulatorOptions().correction_rate, show_default=True, type=_RATE)
@click.option("--fault", "faults", multiple=True, metavar="NAME=RATE", help="Inject a fault: 503=0.05, html=0.01, …")
@click.option("--webhook-url", help="Send webhooks there, as the real API does.")
@click.option("--webhook-secret", envvar="SIMULATOR_WEBHOOK_SECRET", help="What signs them.")
@click.option("--webhook-lost", default=0.0, type=_RATE, help="The share that is not sent.")
@click.option("--webhook-duplicated", default=0.0, type=_RATE, help="The share that is sent twice.")
@click.option("--webhook-reordered", default=0.0, type=_RATE, help="The share that is late, perhaps after the next.")
@click.option("--webhook-forged", default=0.0, type=_RATE, help="The share with a forged one beside it.")
def simulate(  # noqa: PLR0913, PLR0917  click passes each option by its name
    host: str,
    port: int,
    seed: int,
    time_scale: float,
    failure_rate: float,
    cancel_rate: float,
    correction_rate: float,
    faults: Sequence[str],
    webhook_url: str | None,
    webhook_secret: str | None,
    **webhook_rates: float,
) -> None:
    """Serve a simulator of the Magic Hour API for tests and trials.

    \b
    renderwatch simulate --port 8787 --time-scale 10
    renderwatch simulate --fault 503=0.05 --fault 429_seconds=0.01 --fault dropped=0.01
    renderwatch simulate --webhook-url http://127.0.0.1:8321/hooks/magic-hour/default --webhook-secret whsec_example
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
        serve(
            options,
            host,
            port,
            announce=lambda url: click.echo(f"simulating the Magic Hour API on {url}"),
            webhooks=_webhooks(webhook_url, webhook_secret, webhook_rates),
        )
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None


def _webhooks(url: str | None, secret: str | None, rates: Mapping[str, float]) -> WebhookOptions | None:
    if url is None:
        if secret is not None or any(rates.values()):
            raise ValueError("webhooks need --webhook-url")
        return None
    shares = {name.removeprefix("webhook_"): rate for name, rate in rates.items()}
    return WebhookOptions(url=url, secret=secret or "", **shares)


def _rate(text: str) -> tuple[str, float]:
    name, _, rate = text.partition("=")
    try:
        return name, float(rate)
    except ValueError:
        raise ValueError(f"--fault {text}: write NAME=RATE, such as 503=0.05") from None
