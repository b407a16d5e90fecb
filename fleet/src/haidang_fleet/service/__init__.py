"""The enrolment service: what a node speaks to before it has a certificate, and to renew it."""

from haidang_fleet.service.app import make_app

__all__ = ["make_app"]
