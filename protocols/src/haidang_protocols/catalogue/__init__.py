"""The catalogue declares the centre: places, scopes, roles, people, cameras, zones, rules, models.

It is YAML; every mistake is told at once with file, line, field, value and what is allowed.
"""

from haidang_protocols.catalogue.loader import CatalogueRefusedError, load, load_texts
from haidang_protocols.catalogue.model import Catalogue
from haidang_protocols.catalogue.problems import Problem

__all__ = ["Catalogue", "CatalogueRefusedError", "Problem", "load", "load_texts"]
