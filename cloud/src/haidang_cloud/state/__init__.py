"""The relational database: ledger, outbox, dead letter, cases, people, audit, leases.

SQLite and PostgreSQL, one schema, one suite. A writing transaction begins as one (BEGIN IMMEDIATE),
so that it never fails half way for want of a lock.
"""

from haidang_cloud.state.database import State, open_state

__all__ = ["State", "open_state"]
