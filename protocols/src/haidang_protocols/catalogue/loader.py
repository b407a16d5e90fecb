"""Loads a catalogue from its YAML files; one refusal tells every mistake in all of them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from msgspec import inspect

from haidang_protocols.catalogue.checks import findings
from haidang_protocols.catalogue.model import Catalogue
from haidang_protocols.catalogue.problems import Mistake, Problem, mistake, problem
from haidang_protocols.catalogue.reader import Reader, stand_in
from haidang_protocols.errors import UserError

FILE_BYTES_MAX = 8 * 1024 * 1024


class CatalogueRefusedError(UserError):
    """A catalogue has mistakes; `problems` lists them all, in order of file and line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Sort and keep them."""
        self.problems = tuple(sorted(problems))
        count = len(self.problems)
        self.heading = f"the catalogue has {count} mistake{'s' if count != 1 else ''}:"
        super().__init__("\n  ".join([self.heading, *map(str, self.problems)]))


def load(path: Path) -> Catalogue:
    """The catalogue in a folder (all its `*.yaml`, sub-folders too) or in one file.

    Raises `CatalogueRefusedError` with every mistake, or when there is nothing to read.
    """
    return load_texts(read_texts(path))


def read_texts(path: Path) -> dict[str, str]:
    """The YAML texts of a catalogue by file name, relative to `path`."""
    files = sorted(path.rglob("*.yaml")) if path.is_dir() else [path]
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    for file in files:
        name = str(file.relative_to(path)) if path.is_dir() else file.name
        try:
            if file.stat().st_size > FILE_BYTES_MAX:
                problems.append(_whole(name, mistake("file_size", most=FILE_BYTES_MAX)))
                continue
            texts[name] = file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            problems.append(
                _whole(name, mistake("file_encoding", why=f"{error.reason} at byte {error.start}"))
            )
        except OSError as error:
            problems.append(_whole(name, mistake("file_unread", why=str(error.strerror))))
    if problems:
        raise CatalogueRefusedError(problems)
    if not texts:
        raise CatalogueRefusedError([_whole(str(path), mistake("no_file"))])
    return texts


def load_texts(texts: Mapping[str, str]) -> Catalogue:
    """The catalogue that `texts` (file name → YAML) declare together."""
    kind = inspect.type_info(Catalogue)
    if not isinstance(kind, inspect.StructType):
        raise TypeError("Catalogue is a struct")
    gathered = _Gathered(kind)
    for name, text in texts.items():
        gathered.add(name, text)
    return gathered.finish()


def _holds(field: str, other: str) -> bool:
    """Whether `other` is `field` or lies below it."""
    return other.startswith(field) and other[len(field) : len(field) + 1] in ("", ".", "[")


def _whole(name: str, what: Mistake, *, line: int = 1) -> Problem:
    return problem(file=name, line=line, field="file", what=what)


def _composed(text: str) -> yaml.Node | None:
    """The node of a text; by libyaml, four times as fast, where PyYAML came with it.

    What that refuses is read again by PyYAML's own parser, whose words say better what is wrong.
    """
    quick: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.compose(text, Loader=quick)
    except yaml.YAMLError:
        return yaml.compose(text, Loader=yaml.SafeLoader)


class _Gathered:
    """What the files said so far: lists are joined across files, the centre stands once."""

    def __init__(self, kind: inspect.StructType) -> None:
        self._fields = {f.name: f for f in kind.fields}
        self._allowed = ", ".join(self._fields)
        self._values: dict[str, Any] = {}
        self._where: dict[str, tuple[str, int]] = {}
        self._problems: list[Problem] = []
        self._stood_in: set[str] = set()
        self._unread: list[Problem] = []
        self._first = ""

    def add(self, name: str, text: str) -> None:
        """Read one file."""
        self._first = self._first or name
        root = self._root(name, text)
        if root is None:
            return
        reader = Reader(name)
        if not isinstance(root, yaml.MappingNode):
            reader.problem(root, "file", mistake("file_mapping", allowed=self._allowed))
            self._unread.extend(reader.problems)
            return
        for key, value in root.value:
            self._top(reader, key, value)
        self._problems.extend(reader.problems)
        self._stood_in |= reader.stood_in

    def _root(self, name: str, text: str) -> yaml.Node | None:
        """The node of all that a file says; none when it says nothing or is no YAML."""
        try:
            root = _composed(text)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 1
            said = error.problem or "cannot be parsed"
        except yaml.YAMLError as error:
            line, said = 1, str(error)
        else:
            return root
        self._unread.append(_whole(name, mistake("no_yaml", why=said), line=line))
        return None

    def _top(self, reader: Reader, key: yaml.Node, value: yaml.Node) -> None:
        name = str(key.value)
        spec = self._fields.get(name)
        if spec is None:
            reader.problem(key, name, mistake("key", allowed=self._allowed))
            return
        if not isinstance(spec.type, inspect.VarTupleType):
            if name in self._values:
                reader.problem(key, name, mistake("two_places"))
                return
            self._values[name] = reader.read(value, spec.type, name)
            self._note(reader)
            return
        have: list[Any] = self._values.setdefault(name, [])
        if not isinstance(value, yaml.SequenceNode):
            reader.problem(value, name, mistake("list"))
            reader.stood_in.add(name)
            return
        for item in value.value:
            have.append(reader.read(item, spec.type.item_type, f"{name}[{len(have)}]"))
            self._note(reader)

    def _note(self, reader: Reader) -> None:
        for field, line in reader.lines.items():
            self._where[field] = (reader.file, line)
        reader.lines.clear()

    def finish(self) -> Catalogue:
        """Judge what needs all files; raises `CatalogueRefusedError`."""
        if self._unread:
            # what a file that cannot be read would have said is not missing
            raise CatalogueRefusedError([*self._unread, *self._problems])
        for name, spec in self._fields.items():
            if spec.required and name not in self._values:
                self._problems.append(
                    problem(file=self._first, line=1, field=name, what=mistake("missing"))
                )
                self._values[name] = stand_in(spec.type)
                self._stood_in.add(name)
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in self._values.items()
        }
        catalogue = Catalogue(**values)
        for finding in findings(catalogue):
            if not self._excused(finding[0]):
                self._problems.append(self._located(*finding))
        if self._problems:
            raise CatalogueRefusedError(self._problems)
        return catalogue

    def _excused(self, field: str) -> bool:
        """Whether a finding is about something that could not be read, and was told so already."""
        return any(_holds(field, gone) or _holds(gone, field) for gone in self._stood_in)

    def _located(self, field: str, value: str, what: Mistake) -> Problem:
        """The line of a field, or of the nearest one above it that was written down."""
        at = field
        while at not in self._where and at:
            at = at[: max(at.rfind("."), at.rfind("["), 0)]
        file, line = self._where.get(at, (self._first, 1))
        return problem(file=file, line=line, field=field, value=value, what=what)
