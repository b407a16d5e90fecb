"""The tables. Times are nanoseconds since 1970 UTC; JSON is text; ids are the wire's."""

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
# SQLite counts up by itself only in INTEGER columns
Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Ns = sa.BigInteger()


def _text(name: str, **options: object) -> sa.Column[str]:
    options.setdefault("nullable", False)
    return sa.Column(name, sa.Text(), **options)  # type: ignore[arg-type]


def _ns(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, Ns, nullable=nullable)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False, default=False)


def _number(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


ledger = sa.Table(
    "ledger",
    metadata,
    _text("centre", primary_key=True),
    _text("node", primary_key=True),
    _text("spool", primary_key=True),
    _text("site"),
    _text("ranges"),
    _ns("updated_ns"),
)
outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", Id, primary_key=True, autoincrement=True),
    _text("centre"),
    _text("record_id"),
    _text("site"),
    _text("node"),
    _ns("received_ns"),
    sa.Column("payload", sa.LargeBinary(), nullable=False),
    _flag("told"),
    _ns("consumed_ns", nullable=True),
    sa.UniqueConstraint("centre", "record_id"),
)
sa.Index("ix_outbox_waiting", outbox.c.centre, outbox.c.consumed_ns, outbox.c.id)
dead_letter = sa.Table(
    "dead_letter",
    metadata,
    sa.Column("id", Id, primary_key=True, autoincrement=True),
    _text("centre"),
    _text("topic"),
    _text("node"),
    _text("spool"),
    _number("seq"),
    _text("reason"),
    _text("message"),
    sa.Column("payload", sa.LargeBinary(), nullable=False),
    _text("sha256"),
    _ns("first_ns"),
    _ns("last_ns"),
    _number("tries"),
    _ns("replayed_ns", nullable=True),
    # a poison that comes again is one row; seq is 0 where there is none
    sa.UniqueConstraint("centre", "sha256", "spool", "seq", "reason"),
)
dirty_window = sa.Table(
    "dirty_window",
    metadata,
    _text("centre", primary_key=True),
    _text("dataset", primary_key=True),
    _text("place", primary_key=True),
    _ns("from_ns"),
    _ns("to_ns"),
    _ns("stamp"),
)
lake_file = sa.Table(
    "lake_file",
    metadata,
    _text("centre", primary_key=True),
    _text("dataset", primary_key=True),
    _text("file", primary_key=True),
    _text("partition"),
    _number("rows"),
    _number("bytes"),
    _ns("min_t"),
    _ns("max_t"),
    _ns("added_ns"),
    _ns("retired_ns", nullable=True),
)
lake_rolled = sa.Table(
    "lake_rolled",
    metadata,
    _text("centre", primary_key=True),
    _text("node", primary_key=True),
    _text("spool", primary_key=True),
    _text("ranges"),
)
archive_file = sa.Table(
    "archive_file",
    metadata,
    _text("centre", primary_key=True),
    _text("name", primary_key=True),
    _number("offset"),
)
lease = sa.Table(
    "lease",
    metadata,
    _text("name", primary_key=True),
    _text("holder"),
    _ns("until_ns"),
)
desired_told = sa.Table(
    "desired_told",
    metadata,
    _text("centre", primary_key=True),
    _number("number"),
    _text("holder"),
    # where something is retained for a node, as JSON
    _text("topics"),
)
catalogue_version = sa.Table(
    "catalogue_version",
    metadata,
    _text("centre", primary_key=True),
    sa.Column("number", sa.Integer(), primary_key=True),
    _text("texts"),
    _text("sha256"),
    _text("by"),
    _text("why"),
    _ns("at_ns"),
    # what the texts declare, as JSON: read a hundred times as fast; empty where nobody kept it
    sa.Column("checked", sa.Text(), nullable=False, server_default=""),
)
catalogue_draft = sa.Table(
    "catalogue_draft",
    metadata,
    sa.Column("id", Id, primary_key=True, autoincrement=True),
    _text("centre"),
    # the version that it was drawn on, and what it is about
    _number("base"),
    _text("about"),
    _text("texts"),
    _text("by"),
    _text("why"),
    _ns("at_ns"),
    _text("outcome"),
    _text("decided_by"),
    _ns("decided_ns", nullable=True),
    _number("number", nullable=True),
)
sa.Index("ix_catalogue_draft_about", catalogue_draft.c.centre, catalogue_draft.c.about)
person = sa.Table(
    "person",
    metadata,
    sa.Column("id", Id, primary_key=True, autoincrement=True),
    _text("centre"),
    _text("login"),
    _text("name"),
    _text("password_hash", nullable=True),
    sa.Column("active", sa.Boolean(), nullable=False, default=True),
    _ns("created_ns"),
    sa.UniqueConstraint("centre", "login"),
)
person_grant = sa.Table(
    "person_grant",
    metadata,
    sa.Column("person", sa.ForeignKey("person.id"), primary_key=True),
    _text("role", primary_key=True),
    _text("scope", primary_key=True),
    _text("source", primary_key=True),
)
session = sa.Table(
    "session",
    metadata,
    _text("token_hash", primary_key=True),
    sa.Column("person", sa.ForeignKey("person.id"), nullable=False),
    _ns("created_ns"),
    _ns("expires_ns"),
)
api_token = sa.Table(
    "api_token",
    metadata,
    sa.Column("id", Id, primary_key=True, autoincrement=True),
    _text("token_hash", unique=True),
    sa.Column("person", sa.ForeignKey("person.id"), nullable=False),
    _text("label"),
    _ns("created_ns"),
    _ns("expires_ns"),
    _ns("revoked_ns", nullable=True),
)
one_time_link = sa.Table(
    "one_time_link",
    metadata,
    _text("token_hash", primary_key=True),
    _text("centre"),
    _text("purpose"),
    _text("login"),
    _ns("expires_ns"),
    _ns("used_ns", nullable=True),
)
audit = sa.Table(
    "audit",
    metadata,
    _text("centre", primary_key=True),
    sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
    _ns("at_ns"),
    _text("actor"),
    _text("action"),
    _text("object"),
    _text("detail"),
    _text("previous"),
    _text("hash"),
)
case = sa.Table(
    "case",
    metadata,
    _text("id", primary_key=True),
    _text("centre"),
    _text("kind"),
    _text("scope"),
    _text("place"),
    _text("node"),
    _text("camera"),
    _text("rule"),
    _text("type"),
    _text("zone"),
    _text("cls"),
    _text("severity"),
    _text("state"),
    _text("record"),
    _text("event"),
    _ns("t_ns"),
    _ns("raised_ns"),
    _ns("ended_ns", nullable=True),
    _text("by"),
    _flag("delayed"),
    _flag("synced"),
    _flag("snapshot"),
    _text("box"),
    _text("note"),
    # a teller claims a version for a while; told is what the broker has confirmed
    _number("version"),
    _number("telling_version"),
    _ns("telling_until_ns"),
    _number("told_version"),
    _ns("changed_ns"),
)
sa.Index("ix_case_open", case.c.centre, case.c.state, case.c.raised_ns)
_untold = case.c.told_version < case.c.version
sa.Index(
    "ix_case_untold",
    case.c.centre,
    case.c.changed_ns,
    sqlite_where=_untold,
    postgresql_where=_untold,
)
sa.Index("ix_case_event", case.c.centre, case.c.node, case.c.event)
sa.Index("ix_case_changed", case.c.centre, case.c.changed_ns)
case_step = sa.Table(
    "case_step",
    metadata,
    sa.Column("id", Id, primary_key=True, autoincrement=True),
    sa.Column("case", sa.ForeignKey("case.id"), nullable=False, index=True),
    _ns("at_ns"),
    _text("actor"),
    _text("via"),
    _text("action"),
    _text("from_state"),
    _text("to_state"),
    _text("note"),
    # an answer that comes twice is one step
    _text("answer_id"),
    sa.UniqueConstraint("case", "answer_id"),
)
case_answer = sa.Table(
    "case_answer",
    metadata,
    # the hash of what was sent: each worker gets every answer, one takes it
    _text("id", primary_key=True),
    _text("centre"),
    _text("case"),
    _text("scope"),
    _text("kind"),
    _text("actor"),
    _text("note"),
    _ns("received_ns"),
    _text("outcome"),
    _text("reason"),
)
sa.Index("ix_case_answer_outcome", case_answer.c.centre, case_answer.c.outcome)
blob = sa.Table(
    "blob",
    metadata,
    _text("centre", primary_key=True),
    _text("record", primary_key=True),
    _text("sha256", index=True),
    _text("media_type"),
    _number("bytes"),
    _text("purpose"),
    _text("camera"),
    # which share of the camera's picture it shows, as JSON; unknown of what came before this
    _text("crop", nullable=True),
    _ns("created_ns"),
    _ns("expires_ns"),
    _ns("deleted_ns", nullable=True),
)
sa.Index("ix_blob_created", blob.c.centre, blob.c.created_ns)
blob_access = sa.Table(
    "blob_access",
    metadata,
    sa.Column("id", Id, primary_key=True, autoincrement=True),
    _text("centre"),
    _ns("at_ns"),
    _text("record"),
    _text("sha256"),
    _text("actor"),
    _text("why"),
    # looks that followed one another are one line
    _ns("last_ns"),
    _number("looks"),
)
sa.Index(
    "ix_blob_access_going_on",
    blob_access.c.centre,
    blob_access.c.actor,
    blob_access.c.why,
    blob_access.c.last_ns,
)
sa.Index("ix_blob_access_last", blob_access.c.centre, blob_access.c.last_ns)
node = sa.Table(
    "node",
    metadata,
    _text("centre", primary_key=True),
    _text("node", primary_key=True),
    _text("site"),
    _text("birth"),
    _ns("seen_ns"),
)
