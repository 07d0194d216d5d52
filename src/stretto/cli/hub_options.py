"""The options of ``stretto hub``."""

from __future__ import annotations

from stretto.cli.gate_profile_and_feature_options import AddCommand, Commands

HUB_ROLES = ("me", "lead", "admin")
"""The roles of tokens; a test compares them with the hub's."""

COMPARED_METRICS = ("task_seconds", "elapsed_seconds", "wall_seconds", "tokens", "dollars", "success")
"""The metrics of teams' experiments; a test compares them with the hub's, whose messages load msgspec."""

BOTH_ARMS, ONE_ARM = "both-arms", "one-arm"
"""How people take part in an experiment of a team: each person runs both arms, or one of them."""

_DATABASE_HELP = "postgresql://…, clickhouse://…, or sqlite:FILE to try it (STRETTO_HUB_DATABASE)"


def add_hub(commands: Commands, add_command: AddCommand) -> None:
    """Add ``stretto hub``."""
    hub = commands.add_parser("hub", help="what a team runs in the middle: it keeps shipped sessions")
    actions = hub.add_subparsers(title="actions", metavar="ACTION", required=True)
    serve = add_command(actions, "serve", "hub:run_hub", "receive sessions and answer readers", json=False)
    serve.add_argument("--database", metavar="URL", help=_DATABASE_HELP)
    serve.add_argument(
        "--listen",
        dest="hub_listen",
        default="127.0.0.1:9465",
        metavar="HOST:PORT",
        help="the address to answer at (127.0.0.1:9465)",
    )
    serve.add_argument(
        "--behind-proxy",
        action="store_true",
        help="a proxy in front ends TLS: only requests that came to it by https are answered",
    )
    serve.add_argument(
        "--host-name", action="append", default=[], metavar="NAME", help="a name by which the hub is asked"
    )
    serve.add_argument(
        "--metrics-listen",
        metavar="HOST:PORT",
        help="the address at which Prometheus asks what the hub received, without a token; off without it",
    )
    serve.add_argument("--cache", metavar="DIR", help="the folder of what can be made again")
    add = add_command(
        actions, "add-token", "hub:add_token", "make a token, and print the enrolment of a machine"
    )
    add.add_argument("--database", metavar="URL", help=_DATABASE_HELP)
    add.add_argument("--tenant", required=True, metavar="NAME", help="the organisation")
    add.add_argument("--team", required=True, metavar="NAME", help="the team; '*' for a lead of all teams")
    add.add_argument("--owner", required=True, metavar="NAME", help="the person, or the pool of runners")
    add.add_argument("--role", choices=HUB_ROLES, default="me", help="what it may read (me)")
    add.add_argument(
        "--opted-in",
        action="store_true",
        help="leads may see the single sessions of this owner, as those of CI's runners",
    )
    add.add_argument("--url", default="http://127.0.0.1:9465", metavar="URL", help="where the hub is asked")
    add.add_argument(
        "--key-file",
        metavar="FILE",
        help="with the tenant's key for names; made if it is missing, and the same for all machines",
    )
    listed = add_command(actions, "list-tokens", "hub:list_tokens", "list the tokens of a tenant")
    listed.add_argument("--database", metavar="URL", help=_DATABASE_HELP)
    listed.add_argument("--tenant", required=True, metavar="NAME", help="the organisation")
    revoke = add_command(actions, "revoke-token", "hub:revoke_token", "make a token useless")
    revoke.add_argument("--database", metavar="URL", help=_DATABASE_HELP)
    revoke.add_argument("--tenant", required=True, metavar="NAME", help="the organisation")
    revoke.add_argument("id", metavar="ID", help="the token's id in the list")
    reader = add_command(
        actions,
        "reader-sql",
        "hub:print_reader_sql",
        "print the SQL that lets Grafana read one tenant's days",
    )
    reader.add_argument("--database", metavar="URL", help=_DATABASE_HELP)
    reader.add_argument("--tenant", required=True, metavar="NAME", help="the organisation")
    reader.add_argument("--user", required=True, metavar="NAME", help="the reader's name in the database")
    reader.add_argument(
        "--password-file", required=True, metavar="FILE", help="with the password that the reader gets"
    )
    _add_experiments(actions, add_command)


def _add_experiments(actions: Commands, add_command: AddCommand) -> None:
    define = add_command(
        actions,
        "define-experiment",
        "hub_experiments:define_team_experiment",
        "begin an experiment of a team; its answer is worked out once, at its end",
    )
    define.add_argument("name", metavar="NAME", help="which its team uses once")
    define.add_argument("--metric", required=True, choices=COMPARED_METRICS, help="what is compared")
    define.add_argument("--days", type=int, default=14, metavar="N", help="whole days after today (14)")
    define.add_argument(
        "--arms",
        default="A,B",
        metavar="USUAL,NEW",
        help="values of the label: the usual way, and the new (A,B)",
    )
    define.add_argument("--label", default="arm", metavar="KEY", help="the label that names the arm (arm)")
    define.add_argument(
        "--people",
        choices=(BOTH_ARMS, ONE_ARM),
        default=BOTH_ARMS,
        help="each person runs both arms, and is compared with himself; or each runs one (both-arms)",
    )
    define.add_argument("--pattern", metavar="NAME", help="only sessions of it, as the hub names it")
    define.add_argument("--type", metavar="TYPE", help="only tasks of it, with --metric task_seconds")
    listed = add_command(
        actions,
        "list-experiments",
        "hub_experiments:list_team_experiments",
        "how the experiments of a team stand",
    )
    withdraw = add_command(
        actions,
        "withdraw-experiment",
        "hub_experiments:withdraw_team_experiment",
        "end an experiment without an answer, or take its answer away",
    )
    withdraw.add_argument("name", metavar="NAME", help="the experiment")
    for command in (define, listed, withdraw):
        command.add_argument("--url", required=True, metavar="URL", help="where the hub is asked")
        command.add_argument("--token-file", required=True, metavar="FILE", help="with a lead's token")
