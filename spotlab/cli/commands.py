"""The table of commands: only the module of the command that runs is imported."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from spotlab.cli.command import Command


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """A command, or a group of commands, before its module is imported.

    Args:
        name: the word after `spotlab`; in capitals, the name of the `Command` in the module.
        module: the module of the command, in `spotlab.cli`.
        summary: the command's own summary, repeated for `spotlab --help`.
    """

    name: str
    module: str
    summary: str

    def load(self) -> Command:
        """Import the module of the command."""
        module = import_module(f"spotlab.cli.{self.module}")
        command: Command = getattr(module, self.name.upper().replace("-", "_"))
        return command


COMMANDS: Final = (
    CommandEntry("serve", "serve", "Start the app, on 127.0.0.1 by default."),
    CommandEntry("worker", "worker", "Run the scheduled jobs until stopped."),
    CommandEntry("jobs", "jobs", "List, run, pause and schedule the jobs."),
    CommandEntry("collect", "decisions", "Collect the market from live sources or from files."),
    CommandEntry("evaluate", "decisions", "Evaluate instances and record the decisions."),
    CommandEntry(
        "explain",
        "decisions",
        "Explain a decision: its margin, its runner-up, and what would change it.",
    ),
    CommandEntry(
        "replay", "replay", "Make a recorded decision again, as it was or with something else."
    ),
    CommandEntry("score", "decisions", "Rank the pools that meet the requirements."),
    CommandEntry("what-if", "what_if", "Decide with other parameters, without recording anything."),
    CommandEntry(
        "workloads",
        "workloads",
        "Workloads: what an interruption costs, and what counts as equal hardware.",
    ),
    CommandEntry("switches", "switches", "Carry out decisions on instances."),
    CommandEntry(
        "throughputs",
        "throughputs",
        "Measured throughputs of instance types: prices per unit of work.",
    ),
    CommandEntry("policies", "policies", "Policies: the rules of the decision, as versions."),
    CommandEntry(
        "train", "train", "Train models on recorded data and register them as candidates."
    ),
    CommandEntry(
        "data", "recorded_data", "List the supported recorded formats, or describe recorded files."
    ),
    CommandEntry("models", "models", "List and measure models, and choose which are used."),
    CommandEntry("backtest", "backtests", "Compare policies on recorded traces."),
    CommandEntry("outcomes", "outcomes", "Join predictions with their outcomes and score them."),
    CommandEntry("drift", "outcomes", "Report whether the market or the predictions have drifted."),
    CommandEntry("events", "outcomes", "Read, record and list interruptions of your instances."),
    CommandEntry(
        "evidence", "evidence", "List everything that was observed about a pool, oldest first."
    ),
    CommandEntry("drill", "drill", "Time switches after signals of EC2, on an emulated AWS."),
    CommandEntry("results", "results", "Measure every figure of docs/results.md again."),
    CommandEntry(
        "accounts", "accounts", "AWS accounts: onboarding, validation, rotation and removal."
    ),
    CommandEntry("users", "users", "List, add and change users."),
    CommandEntry("tokens", "tokens", "List, create and revoke API tokens."),
    CommandEntry("audit", "audit", "Read and verify the audit log."),
    CommandEntry(
        "retention", "maintenance", "Delete data older than the retention settings allow."
    ),
    CommandEntry(
        "backup", "maintenance", "Back up the database, uploaded models and evidence into one file."
    ),
    CommandEntry("restore", "maintenance", "Restore a backup."),
    CommandEntry("migrate", "installation", "Migrate the database to this version."),
    CommandEntry("health", "health", "Show the health of every component, now and over 24 hours."),
    CommandEntry("alerts", "health", "List, add, test and delete alert rules."),
    CommandEntry("doctor", "installation", "Check every component and report problems."),
    CommandEntry(
        "version",
        "installation",
        "Print the version; with --json, also those of the main packages.",
    ),
)
