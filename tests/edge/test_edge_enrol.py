"""A node enrols: the key stays, a man in the middle learns nothing, a lost answer costs nothing."""

import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from fakes.enrolment import EnrolmentService, refusal
from haidang_edge.enrol import EnrolmentError, KeyFolder, enrol, renew
from haidang_edge.enrol.keys import CURRENT, Held
from haidang_edge.enrol.visit import due
from haidang_protocols.wire import enrolment as wire
from servers import start
from servers.fleet import haidang


@pytest.fixture
def new_service(tmp_path: Path) -> Iterator[Callable[..., EnrolmentService]]:
    made: list[EnrolmentService] = []

    def make(**options: Any) -> EnrolmentService:
        folder = tmp_path / f"service-{len(made)}"
        folder.mkdir()
        made.append(EnrolmentService(folder, **options))
        return made[-1]

    yield make
    for service in made:
        service.close()


@pytest.fixture
def service(new_service: Callable[..., EnrolmentService]) -> EnrolmentService:
    return new_service()


@pytest.fixture
def keys(tmp_path: Path) -> KeyFolder:
    return KeyFolder(tmp_path / "keys")


def visit(
    keys: KeyFolder,
    service: EnrolmentService,
    *,
    token: str = "",
    url: str = "",
    now: datetime | None = None,
) -> Held:
    return enrol(
        keys,
        url=url or service.url,
        token=token or service.token(),
        hardware="",
        now=now or datetime.now(UTC),
        sleep=lambda _: None,
    )


# --- the token ------------------------------------------------------------------------------


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16), st.data())
def test_a_token_is_read_however_it_is_typed(
    secret: bytes, fingerprint: bytes, data: st.DataObject
) -> None:
    token = wire.Token(secret=secret, fingerprint=fingerprint)
    typed = token.text()
    assert len(typed) == 63
    assert wire.parse_token(typed.upper().replace("-", " ")) == token
    letters = typed.replace("-", "")
    at = data.draw(st.integers(0, len(letters) - 1))
    other = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
    wrong = letters[:at] + other + letters[at + 1 :]
    if wrong != letters:
        with pytest.raises(wire.TokenUnreadableError, match=r"check digits|format"):
            wire.parse_token(wrong)


@pytest.mark.parametrize("typed", ["", "hello", "a" * 55, "a" * 64, "ä" * 56, "1" * 56])
def test_a_token_that_is_none_is_told_so(typed: str) -> None:
    with pytest.raises(wire.TokenUnreadableError, match="token"):
        wire.parse_token(typed)


# --- a good visit ---------------------------------------------------------------------------


def test_the_key_never_leaves_and_is_closed_to_others(
    keys: KeyFolder, service: EnrolmentService
) -> None:
    held = visit(keys, service)
    (path, sent), *more = service.asked
    assert path == wire.ENROL_PATH
    assert not more
    assert "PRIVATE" not in str(sent)
    assert set(sent) == {"v", "secret", "csr", "hardware"}
    assert held.certificate.public_key() == held.key.public_key()
    for path_ in keys.path.rglob("*.key"):
        assert stat.S_IMODE(path_.stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.path.stat().st_mode) == 0o700
    assert not (keys.path / "pending.key").exists()


def test_the_command_writes_what_the_agent_needs(service: EnrolmentService, tmp_path: Path) -> None:
    node_yaml = tmp_path / "node.yaml"
    node_yaml.write_text("# mine\nmodels: models\n")
    words = ("node", "enrol", "--url", service.url, "--token", "-", "--dir", tmp_path / "keys")
    told = haidang(*words, "--write", node_yaml, stdin=service.token() + "\n")
    assert told.code == 0, told.err
    text = node_yaml.read_text()
    assert text.startswith("# mine\nmodels: models\n")
    said = yaml.safe_load(text)
    assert (said["centre"], said["site"], said["node"]) == ("demo", "gate", "gate-1")
    assert said["broker"]["host"] == "broker.example"
    assert Path(said["broker"]["key"]).is_file()
    again = haidang(*words, "--write", node_yaml, stdin=service.token() + "\n")
    assert again.code == 0, again.err
    assert node_yaml.read_text() == text
    assert len(service.asked) == 1, "the same token again asks nobody"
    node_yaml.write_text("node: another\n")
    refused = haidang(*words, "--write", node_yaml, stdin=service.token() + "\n")
    assert refused.code == 2
    assert "says something else under node" in refused.err
    assert node_yaml.read_text() == "node: another\n"


# --- what goes wrong ------------------------------------------------------------------------


def test_a_lost_answer_is_asked_for_again_with_the_same_key(
    keys: KeyFolder, service: EnrolmentService
) -> None:
    service.script = [lambda _: None, lambda _: None]
    held = visit(keys, service)
    asked = [body["csr"] for _, body in service.asked]
    assert len(asked) == 3
    assert len({_key_of(csr) for csr in asked}) == 1
    assert held.certificate.public_key() == held.key.public_key()


def test_a_centre_that_stays_silent_leaves_a_key_for_the_next_try(
    keys: KeyFolder, service: EnrolmentService
) -> None:
    service.script = [lambda _: None] * 4
    with pytest.raises(EnrolmentError, match=r"died before its answer came .* again"):
        visit(keys, service)
    visit(keys, service)
    assert len({_key_of(body["csr"]) for _, body in service.asked}) == 1


def _key_of(csr: str) -> bytes:
    key = x509.load_pem_x509_csr(csr.encode()).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_a_man_in_the_middle_gets_no_token(
    keys: KeyFolder, new_service: Callable[..., EnrolmentService]
) -> None:
    centre, thief = new_service(), new_service()
    with pytest.raises(EnrolmentError, match="another authority than the token names"):
        visit(keys, thief, token=centre.token())
    # it passes the real authority's certificate on, and has none that this authority signed
    thief.shown = centre.shown
    with pytest.raises(EnrolmentError, match=r"another authority .* Nothing was sent"):
        visit(keys, thief, token=centre.token())
    assert not thief.asked


def test_a_server_of_another_name_is_told_so(
    keys: KeyFolder, new_service: Callable[..., EnrolmentService]
) -> None:
    service = new_service(names=("centre.example",))
    with pytest.raises(EnrolmentError, match="certificate is not for 'localhost'"):
        visit(keys, service)
    assert not service.asked


@pytest.mark.parametrize("year", [1970, 2020])
def test_a_clock_of_the_past_is_told_so(
    keys: KeyFolder, service: EnrolmentService, year: int
) -> None:
    wrong = datetime(year, 1, 1, tzinfo=UTC)
    with pytest.raises(EnrolmentError, match=rf"clock says {year}-01-01.*timedatectl"):
        visit(keys, service, now=wrong)
    assert not service.asked


def test_a_server_certificate_that_is_over_asks_for_the_clock(
    keys: KeyFolder, new_service: Callable[..., EnrolmentService]
) -> None:
    service = new_service(server_days=-1)
    with pytest.raises(EnrolmentError, match=r"clock says 20.*timedatectl"):
        visit(keys, service)
    assert not service.asked


@pytest.mark.parametrize(
    ("status", "detail"),
    [
        (409, "the token for gate-1 was used already, by another key"),
        (410, "the token for gate-1 ended at 2026-01-01"),
        (403, "the centre knows no such token"),
    ],
)
def test_a_refusal_is_told_in_the_centres_words(
    keys: KeyFolder, service: EnrolmentService, status: int, detail: str
) -> None:
    service.script = [lambda _: refusal(status, detail)]
    with pytest.raises(EnrolmentError, match=f"the centre refused: {detail}"):
        visit(keys, service)
    assert len(service.asked) == 1, "a refusal is not asked again"


def test_a_centre_without_its_broker_is_waited_for(
    keys: KeyFolder, service: EnrolmentService
) -> None:
    service.script = [lambda _: refusal(503, "the broker cannot be reached")] * 2
    visit(keys, service)
    assert len(service.asked) == 3


def test_an_answer_that_is_none_is_not_installed(
    keys: KeyFolder, new_service: Callable[..., EnrolmentService]
) -> None:
    service, other = new_service(), new_service()
    for answer in (
        (200, b"<html>"),
        (502, b"Bad gateway"),
        (200, b"{}"),
    ):
        service.script = [lambda _, answer=answer: answer]  # type: ignore[misc]
        with pytest.raises(EnrolmentError, match="says nothing to us"):
            visit(keys, service)
    service.script = [other.sign]
    with pytest.raises(EnrolmentError, match="no certificate of its authority"):
        # signed by another authority, though it says that it is ours
        service.script = [lambda body: _swapped(other.sign(body), service.shown)]
        visit(keys, service)
    assert not (keys.path / CURRENT).exists()


def _swapped(answer: tuple[int, bytes] | None, ca_pem: str) -> tuple[int, bytes]:
    assert answer is not None
    told = msgspec.json.decode(answer[1], type=wire.Enrolled)
    return 200, wire.encode(msgspec.structs.replace(told, ca=ca_pem))


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://localhost", "give it as https://HOST"),
        ("https://localhost:999999", "give it as https://HOST"),
        ("https://localhost/somewhere", "give it as https://HOST"),
        ("https://no-such-host.invalid", "no address for 'no-such-host.invalid'"),
        ("https://127.0.0.1:{closed}", "cannot be reached: Connection refused"),
    ],
)
def test_an_address_that_leads_nowhere_is_told_so(
    keys: KeyFolder, service: EnrolmentService, url: str, sentence: str
) -> None:
    with pytest.raises(EnrolmentError, match=sentence):
        visit(keys, service, url=url.format(closed=start.free_port()))


def test_a_folder_that_cannot_be_written_is_told_so(
    tmp_path: Path, service: EnrolmentService
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnrolmentError, match=r"file/keys: .*--dir"):
        visit(KeyFolder(tmp_path / "file" / "keys"), service)


def test_a_node_that_never_enrolled_is_told_so(tmp_path: Path) -> None:
    told = haidang("node", "enrol", "--renew", "--dir", tmp_path)
    assert told.code == 2
    assert "this node is not enrolled" in told.err


# --- renewal --------------------------------------------------------------------------------


def test_renewal_waits_for_two_thirds_of_the_life(
    keys: KeyFolder, service: EnrolmentService
) -> None:
    held = visit(keys, service)
    now = datetime.now(UTC)
    assert not due(held, now=now + timedelta(days=15))
    assert due(held, now=now + timedelta(days=21))


def test_renewal_makes_a_new_key_and_proves_the_old_one(
    keys: KeyFolder, service: EnrolmentService
) -> None:
    first = visit(keys, service)
    second = renew(keys, now=datetime.now(UTC), sleep=lambda _: None)
    path, sent = service.asked[-1]
    assert path == wire.RENEW_PATH
    assert set(sent) == {"v", "certificate", "csr", "signature"}
    assert second.certificate.serial_number != first.certificate.serial_number
    assert second.key.public_key() != first.key.public_key()
    assert len([p for p in keys.path.iterdir() if p.is_dir() and not p.is_symlink()]) == 2


def test_a_renewal_that_fails_leaves_the_certificate_in_use(
    keys: KeyFolder, service: EnrolmentService
) -> None:
    first = visit(keys, service)
    service.script = [lambda _: refusal(403, "the certificate of gate-1 was revoked")]
    with pytest.raises(EnrolmentError, match="was revoked"):
        renew(keys, now=datetime.now(UTC), sleep=lambda _: None)
    assert keys.held().certificate == first.certificate


# --- power cuts -----------------------------------------------------------------------------


class PowerCutError(BaseException):
    """The node lost power."""


class CutAfter(KeyFolder):
    """A key folder on a node that loses power before its n-th write."""

    def __init__(self, path: Path, writes: int) -> None:
        super().__init__(path)
        self.left = writes

    def _write(self, path: Path, data: bytes, *, mode: int) -> None:
        if not self.left:
            path.with_name(f".{path.name}").write_bytes(data[: len(data) // 2])
            raise PowerCutError
        self.left -= 1
        super()._write(path, data, mode=mode)


@pytest.mark.parametrize("writes", range(5))
def test_power_lost_between_any_two_writes_leaves_a_pair_that_fits(
    tmp_path: Path, service: EnrolmentService, writes: int
) -> None:
    keys = KeyFolder(tmp_path / "keys")
    first = visit(keys, service)
    with pytest.raises(PowerCutError):
        renew(CutAfter(keys.path, writes), now=datetime.now(UTC), sleep=lambda _: None)
    held = keys.held()
    assert held.certificate.public_key() == held.key.public_key()
    again = renew(keys, now=datetime.now(UTC), sleep=lambda _: None)
    assert again.certificate.serial_number != first.certificate.serial_number
    assert keys.held().certificate == again.certificate
    assert (keys.path / CURRENT).readlink().name == f"{again.certificate.serial_number:x}"
