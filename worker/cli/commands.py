"""Every subcommand: its location and its line in ``renderwatch --help``."""

from collections.abc import Mapping
from typing import Final

from worker.cli.lazy_group import LazyCommand

COMMANDS: Final[Mapping[str, LazyCommand]] = {
    "accounts": LazyCommand("worker.cli.accounts:accounts", "Show accounts, or resume a paused one."),
    "as-of": LazyCommand("worker.cli.as_of:as_of", "Show what was known about projects at a given time."),
    "beat": LazyCommand("worker.cli.processes:beat", "Run beat, which schedules the checks."),
    "completion": LazyCommand("worker.cli.completion:completion", "Print the shell completion script."),
    "credits": LazyCommand("worker.cli.credits_:credits_", "Show a project's credit ledger, or a spend report."),
    "db": LazyCommand("worker.cli.db:db", "Manage access to the database."),
    "delays": LazyCommand("worker.cli.delays:delays", "Show detection delays by type."),
    "deliveries": LazyCommand("worker.cli.deliveries:deliveries", "Find deliveries, and send them again."),
    "destinations": LazyCommand(
        "worker.cli.destinations:destinations", "Show how destinations do, and pause and resume them."
    ),
    "doctor": LazyCommand("worker.cli.doctor:doctor", "Check everything, and say how to fix what is wrong."),
    "explain": LazyCommand("worker.cli.explain:explain", "Explain when a project is checked next, and why."),
    "export": LazyCommand(
        "worker.cli.export:export", "Export projects, transitions or the ledger as CSV, JSON lines or Parquet."
    ),
    "health": LazyCommand("worker.cli.health:health", "Check a process on this host: worker, beat or web."),
    "history": LazyCommand("worker.cli.history:history", "Show a project's status transitions."),
    "list": LazyCommand("worker.cli.list_:list_", "List projects, newest first."),
    "listen": LazyCommand("worker.cli.listen:listen", "Print events as they happen, over HTTP."),
    "metadata": LazyCommand(
        "worker.cli.metadata:metadata", "Report spend, failures and open projects by a metadata key, such as customer."
    ),
    "migrate": LazyCommand("worker.cli.migrate:migrate", "Create or upgrade the database schema."),
    "recheck": LazyCommand("worker.cli.operate:recheck", "Check projects now."),
    "reconcile": LazyCommand(
        "worker.cli.reconcile:reconcile",
        "Compare the ledger with the accounts' balances and with a new sample of projects.",
    ),
    "rejected": LazyCommand("worker.cli.rejected:rejected", "List, retry and clear rejected tracking requests."),
    "replay": LazyCommand("worker.cli.operate:replay", "Send deliveries again."),
    "routes": LazyCommand("worker.cli.routes:routes", "Say where events go, and why."),
    "show": LazyCommand("worker.cli.show:show", "Show everything about one project."),
    "simulate": LazyCommand("worker.cli.simulate:simulate", "Serve a simulator of the Magic Hour API."),
    "tokens": LazyCommand(
        "worker.cli.tokens:tokens", "Create, list and revoke tokens for the HTTP API and the dashboard."
    ),
    "track": LazyCommand("worker.cli.track:track", "Track projects: ids, a file, or standard input."),
    "trigger": LazyCommand("worker.cli.trigger:trigger", "Send an example of an event, marked as one."),
    "untrack": LazyCommand("worker.cli.operate:untrack", "Stop tracking projects."),
    "up": LazyCommand("worker.cli.up:up", "Run everything in this terminal, for a first look or for development."),
    "upkeep": LazyCommand(
        "worker.cli.upkeep:upkeep", "Close past days, and remove projects older than RENDERWATCH_RETENTION."
    ),
    "watch": LazyCommand("worker.cli.watch:watch", "Watch projects live."),
    "web": LazyCommand("worker.cli.web:web", "Serve the HTTP API and the dashboard."),
    "worker": LazyCommand("worker.cli.processes:worker", "Run a worker, which checks projects and delivers events."),
}
