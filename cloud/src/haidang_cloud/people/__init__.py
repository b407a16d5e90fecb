"""Who may do what: accounts, sessions, tokens, role × scope in one place, and the audit chain."""

from haidang_cloud.people.accounts import Accounts, Person
from haidang_cloud.people.rights import Rights

__all__ = ["Accounts", "Person", "Rights"]
