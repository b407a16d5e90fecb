"""Who may do what: accounts, sessions, tokens, role × scope in one place, and the audit chain."""

from haidang_cloud.people.accounts import Accounts, Person, Token
from haidang_cloud.people.rights import Rights
from haidang_cloud.people.throttle import Throttle, ThrottledError

__all__ = ["Accounts", "Person", "Rights", "Throttle", "ThrottledError", "Token"]
