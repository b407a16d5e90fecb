"""The desk and the service: a token works once, for one node; every action has a name."""

import base64
import json
import sqlite3
import ssl
import stat
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from haidang_fleet.broker import Identity, Kind
from haidang_fleet.config import load_config
from haidang_fleet.enrolment import authority as ca
from haidang_fleet.enrolment.authority import Authority, Revoked
from haidang_fleet.enrolment.desk import GRACE_DAYS, Desk
from haidang_fleet.enrolment.registry import Registry
from haidang_fleet.errors import BrokerUnavailableError, FleetConfigError, RefusedError
from haidang_protocols.wire import enrolment as wire
from servers.find import REPOSITORY
from servers.fleet import Fleet, make_fleet

NOW = datetime(2026, 5, 1, tzinfo=UTC)
MINIMAL = REPOSITORY / "catalog" / "minimal"
GATE_1 = Identity.node("demo", "gate", "gate-1")


class ToldBroker:
    """A broker that remembers what it was told, and may be away."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.crls: list[x509.CertificateRevocationList] = []
        self.away = False

    def _here(self) -> None:
        if self.away:
            raise BrokerUnavailableError("the broker is away")

    def admit(self, identity: Identity) -> None:
        self._here()
        self.told.append(("admit", identity.cn))

    def expel(self, cn: str) -> None:
        self._here()
        self.told.append(("expel", cn))

    def publish(self, crl: bytes) -> None:
        self._here()
        self.crls.append(x509.load_pem_x509_crl(crl))

    def confirm(self, certificate: str, key: bytes) -> None:
        self._here()
        assert key.startswith(b"-----BEGIN")
        assert serial(certificate) in {one.serial_number for one in self.crls[-1]}
        self.told.append(("refuse", ""))


class Town:
    """A desk whose clock and broker a test holds."""

    def __init__(self, folder: Path) -> None:
        self.time = NOW
        self.broker = ToldBroker()
        authority = Authority.make(folder / "ca", name="Test", now=NOW)
        self.desk = Desk(
            authority, Registry(folder / "fleet.db"), self.broker, now=lambda: self.time
        )

    def token(self, identity: Identity = GATE_1, **options: Any) -> bytes:
        given = {"hours": 24.0, "by": "an", **options}
        return wire.parse_token(self.desk.token(identity, **given)).secret

    def enrolled(self) -> tuple[ec.EllipticCurvePrivateKey, str]:
        key = ca.new_key()
        return key, self.desk.enrol(self.token(), csr(key))[1]

    def journal(self) -> list[tuple[str, str, str]]:
        with self.desk.registry.transaction() as ledger:
            return [(e.actor, e.action, e.subject) for e in ledger.journal()]

    def revoked_serials(self) -> set[int]:
        return {one.serial_number for one in self.broker.crls[-1]}


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path)


def csr(key: Any, cn: str = "node") -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


def serial(pem: str) -> int:
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


def refused(reason: str) -> Any:
    return pytest.raises(RefusedError, check=lambda error: error.reason == reason)


# --- tokens ---------------------------------------------------------------------------------


def test_a_token_gives_its_node_a_short_certificate_whatever_the_request_asks(town: Town) -> None:
    key = ca.new_key()
    identity, pem = town.desk.enrol(town.token(), csr(key, cn="fleet.admin.serve"))
    certificate = x509.load_pem_x509_certificate(pem.encode())
    assert identity == GATE_1
    assert [a.value for a in certificate.subject] == ["gate-1"]
    assert certificate.not_valid_before_utc == NOW - timedelta(days=1)
    assert certificate.not_valid_after_utc == NOW + timedelta(days=30)
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert not constraints.value.ca
    assert town.broker.told == [("admit", "gate-1")]


def test_the_secret_is_not_kept(town: Town, tmp_path: Path) -> None:
    secret = town.token()
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("fleet.db*"))
    assert secret not in kept
    assert secret.hex().encode() not in kept


def test_a_token_works_once_but_for_the_key_that_it_signed(town: Town) -> None:
    secret, key = town.token(), ca.new_key()
    first = town.desk.enrol(secret, csr(key))
    assert town.desk.enrol(secret, csr(key)) == first
    with refused("token_used"):
        town.desk.enrol(secret, csr(ca.new_key()))


def test_of_two_at_the_same_moment_one_is_signed(town: Town) -> None:
    secret = town.token()
    results: list[str] = []
    gate = threading.Barrier(4)

    def visit() -> None:
        request = csr(ca.new_key())
        gate.wait()
        try:
            town.desk.enrol(secret, request)
            results.append("signed")
        except RefusedError as error:
            results.append(error.reason)

    threads = [threading.Thread(target=visit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["signed"] + ["token_used"] * 3


def test_a_token_ends(town: Town) -> None:
    secret = town.token(hours=2)
    town.time += timedelta(hours=2)
    with refused("token_expired"):
        town.desk.enrol(secret, csr(ca.new_key()))


def test_a_newer_token_ends_the_older(town: Town) -> None:
    old, new = town.token(), town.token()
    with refused("token_unknown"):
        town.desk.enrol(old, csr(ca.new_key()))
    town.desk.enrol(new, csr(ca.new_key()))


def test_an_unknown_token_is_refused(town: Town) -> None:
    with refused("token_unknown"):
        town.desk.enrol(b"0" * 16, csr(ca.new_key()))


def test_without_the_broker_the_same_request_succeeds_later(town: Town) -> None:
    secret, key = town.token(), ca.new_key()
    town.broker.away = True
    with pytest.raises(BrokerUnavailableError):
        town.desk.enrol(secret, csr(key))
    town.broker.away = False
    town.desk.enrol(secret, csr(key))
    assert town.broker.told == [("admit", "gate-1")]
    assert len([line for line in town.journal() if line[1] == "certificate"]) == 1


def test_new_hardware_needs_a_token_that_says_so_and_ends_the_old(town: Town) -> None:
    _, old = town.enrolled()
    with refused("already_enrolled"):
        town.token()
    secret = town.token(replaces=True)
    assert town.desk.certified() == [GATE_1], "the old one works until the new one is there"
    town.broker.told.clear()
    town.desk.enrol(secret, csr(ca.new_key()))
    assert serial(old) in town.revoked_serials()
    # no new connection first, then the end of the old one, then the new one is let in
    assert town.broker.told == [("refuse", ""), ("expel", "gate-1"), ("admit", "gate-1")]


def test_new_hardware_ends_the_old_though_the_broker_was_away_at_first(town: Town) -> None:
    _, old = town.enrolled()
    secret, key = town.token(replaces=True), ca.new_key()
    town.broker.away = True
    with pytest.raises(BrokerUnavailableError):
        town.desk.enrol(secret, csr(key))
    town.broker.away = False
    town.desk.enrol(secret, csr(key))
    assert serial(old) in town.revoked_serials()
    assert town.broker.told[-2:] == [("expel", "gate-1"), ("admit", "gate-1")]


def test_two_centres_have_no_nodes_of_one_name(town: Town) -> None:
    town.enrolled()
    with refused("other_centre"):
        town.token(Identity.node("other", "gate", "gate-1"), replaces=True)


@pytest.mark.parametrize("broken", ["", "x", "-----BEGIN CERTIFICATE REQUEST-----\nAA==\n"])
def test_a_request_that_is_none_is_refused(town: Town, broken: str) -> None:
    with refused("bad_request"):
        town.desk.enrol(town.token(), broken)


def test_a_key_of_another_kind_is_refused(town: Town) -> None:
    secret = town.token()
    for key in (
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP384R1()),
    ):
        with refused("bad_request"):
            town.desk.enrol(secret, csr(key))


# --- renewal --------------------------------------------------------------------------------


def renew(town: Town, key: ec.EllipticCurvePrivateKey, pem: str, signer: Any = None) -> str:
    request = csr(ca.new_key())
    signed = (signer or key).sign(wire.renewal_bytes(request), ec.ECDSA(hashes.SHA256()))
    return town.desk.renew(pem, request, base64.b64encode(signed).decode())[1]


def test_the_key_in_hand_gets_a_new_certificate_even_some_time_after_its_end(town: Town) -> None:
    key, pem = town.enrolled()
    assert serial(renew(town, key, pem)) != serial(pem)
    town.time += timedelta(days=30 + GRACE_DAYS - 1)
    renew(town, key, pem)
    town.time += timedelta(days=2)
    with refused("expired"):
        renew(town, key, pem)


def test_a_certificate_without_its_key_renews_nothing(town: Town) -> None:
    key, pem = town.enrolled()
    with refused("bad_request"):
        renew(town, key, pem, signer=ca.new_key())


def test_a_certificate_that_was_not_ours_renews_nothing(town: Town, tmp_path: Path) -> None:
    other = Authority.make(tmp_path / "other", name="Other", now=NOW)
    key = ca.new_key()
    forged = other.sign_client(key.public_key(), cn="gate-1", now=NOW, days=30)
    with refused("not_enrolled"):
        renew(town, key, ca.pem(forged))


def test_a_revoked_certificate_renews_nothing(town: Town) -> None:
    key, pem = town.enrolled()
    town.desk.revoke("gate-1", by="an", why="stolen")
    with refused("revoked"):
        renew(town, key, pem)


# --- the end --------------------------------------------------------------------------------


def test_revocation_ends_every_certificate_of_a_name(town: Town) -> None:
    key, first = town.enrolled()
    second = renew(town, key, first)
    assert town.desk.revoke("gate-1", by="an", why="stolen") == 2
    assert {serial(first), serial(second)} <= town.revoked_serials()
    assert town.broker.told[-2:] == [("refuse", ""), ("expel", "gate-1")]
    assert town.desk.certified() == []
    assert town.desk.revoke("gate-1", by="an", why="again, to be sure") == 0
    with refused("not_enrolled"):
        town.desk.revoke("gate-9", by="an", why="?")


def test_the_list_grows_in_number_and_drops_what_has_ended_anyway(town: Town) -> None:
    town.enrolled()
    town.desk.revoke("gate-1", by="an", why="stolen")
    first = town.broker.crls[-1]
    town.time += timedelta(days=40)
    town.desk.refresh()
    second = town.broker.crls[-1]
    assert _number(second) > _number(first)
    assert len(list(second)) == 1, "only the certificate that is made to be refused"
    assert second.next_update_utc == town.time + timedelta(days=30)


def test_of_lists_made_at_once_the_last_holds_everybody(town: Town) -> None:
    serials = set()
    for number in range(6):
        identity = Identity.node("demo", "gate", f"n{number}")
        serials.add(serial(town.desk.enrol(town.token(identity), csr(ca.new_key()))[1]))
    threads = [
        threading.Thread(target=town.desk.revoke, args=(f"n{n}",), kwargs={"by": "an", "why": "x"})
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert serials <= town.revoked_serials()
    numbers = [_number(crl) for crl in town.broker.crls]
    assert numbers == sorted(set(numbers))


def _number(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def test_every_action_has_a_name_and_the_journal_only_grows(town: Town, tmp_path: Path) -> None:
    town.enrolled()
    town.desk.service(Identity(kind=Kind.INGEST, centre="demo", name="w1"), by="binh")
    town.desk.revoke("gate-1", by="chi", why="stolen")
    assert town.journal() == [
        ("an", "token", "gate-1"),
        ("gate-1", "certificate", "gate-1"),
        ("binh", "certificate", "demo.ingest.w1"),
        ("chi", "revoked", "gate-1"),
    ]
    with refused("bad_request"):
        town.token(Identity.node("demo", "gate", "gate-2"), by=" ")
    with sqlite3.connect(tmp_path / "fleet.db") as direct:
        for statement in ("DELETE FROM journal", "UPDATE journal SET actor = 'nobody'"):
            with pytest.raises(sqlite3.IntegrityError, match="journal is never"):
                direct.execute(statement)
    direct.close()


# --- the authority --------------------------------------------------------------------------


def test_the_authoritys_key_is_closed_and_stays(tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    Authority.make(folder, name="Test", now=NOW)
    assert stat.S_IMODE((folder / "ca.key").stat().st_mode) == 0o600
    with refused("exists"):
        Authority.make(folder, name="Test", now=NOW)
    (folder / "ca.key").chmod(0o644)
    with pytest.raises(FleetConfigError, match="chmod 600"):
        Authority.load(folder)


def test_no_authority_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(FleetConfigError, match="haidang fleet ca make"):
        Authority.load(tmp_path)
    Authority.make(tmp_path / "a", name="A", now=NOW)
    Authority.make(tmp_path / "b", name="B", now=NOW)
    (tmp_path / "a" / "ca.crt").write_bytes((tmp_path / "b" / "ca.crt").read_bytes())
    with pytest.raises(FleetConfigError, match="do not belong together"):
        Authority.load(tmp_path / "a")


def test_what_a_node_checks_is_valid_long_before_today(tmp_path: Path) -> None:
    authority = Authority.make(tmp_path / "ca", name="Test", now=NOW)
    key = ca.new_key().public_key()
    server = authority.sign_server(key, names=("localhost", "127.0.0.1"), now=NOW, days=365)
    assert server.not_valid_before_utc == NOW - timedelta(days=730)
    crl = x509.load_pem_x509_crl(authority.crl([Revoked(serial=7, at=NOW)], number=3, now=NOW))
    root = authority.certificate.public_key()
    assert isinstance(root, ec.EllipticCurvePublicKey)
    assert crl.is_signature_valid(root)


def test_a_name_that_no_certificate_can_hold_is_refused() -> None:
    with pytest.raises(RefusedError, match="at most 64"):
        Identity(kind=Kind.STAFF, centre="a" * 30, scope="b" * 30, name="guard")


# --- the service, with its broker -----------------------------------------------------------


@pytest.fixture(scope="module")
def quiet(mosquitto_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet that tests only ask."""
    made = make_fleet(mosquitto_program, tmp_path_factory.mktemp("quiet") / "fleet", MINIMAL)
    made.broker.start()
    made.service.start()
    yield made
    made.stop()


@pytest.mark.broker
class TestService:
    def post(self, fleet: Fleet, path: str, body: bytes) -> tuple[int, str, dict[str, Any]]:
        context = ssl.create_default_context(cafile=str(fleet.folder / "state" / "ca.crt"))
        request = urllib.request.Request(f"{fleet.url}{path}", data=body)
        try:
            with urllib.request.urlopen(request, context=context, timeout=20) as answer:
                return answer.status, answer.headers["Content-Type"], json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers["Content-Type"], json.load(error)

    def test_bad_requests_get_a_problem_each(self, quiet: Fleet) -> None:
        for path, body, status, reason in (
            (wire.ENROL_PATH, b"no json", 400, "bad_request"),
            (wire.ENROL_PATH, b"{}", 400, "bad_request"),
            (wire.ENROL_PATH, b'{"v":9,"secret":"' + b"0" * 32 + b'","csr":""}', 400, None),
            (wire.ENROL_PATH, b"x" * 70_000, 413, "too_large"),
            (wire.ENROL_PATH, b'{"secret":"' + b"0" * 32 + b'","csr":"x"}', 400, "bad_request"),
            (wire.RENEW_PATH, b'{"certificate":"x","csr":"y","signature":"z"}', 400, None),
            ("/v1/nothing", b"", 404, "http"),
        ):
            code, kind, problem = self.post(quiet, path, body)
            assert (code, kind) == (status, "application/problem+json"), problem
            assert problem["status"] == status
            assert problem["detail"]
            assert reason is None or problem["reason"] == reason

    def test_old_tls_is_refused(self, quiet: Fleet) -> None:
        context = ssl.create_default_context(cafile=str(quiet.folder / "state" / "ca.crt"))
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(urllib.error.URLError, match=r"(?i)protocol.version|eof"):
            urllib.request.urlopen(f"{quiet.url}{wire.CA_PATH}", context=context, timeout=20)

    def test_enrolment_waits_for_the_broker_and_then_adds_the_client(self, fleet: Fleet) -> None:
        token = fleet.token("gate-1")
        fleet.broker.kill()
        context = ssl.create_default_context(cafile=str(fleet.folder / "state" / "ca.crt"))
        key = ca.new_key()
        body = wire.encode(
            wire.EnrolRequest(secret=wire.parse_token(token).secret.hex(), csr=csr(key))
        )
        code, _, problem = self.post(fleet, wire.ENROL_PATH, body)
        assert (code, problem["reason"]) == (503, "broker_unavailable")
        fleet.broker.start()
        code, _, answer = self.post(fleet, wire.ENROL_PATH, body)
        assert code == 200
        assert (answer["node"], answer["broker_port"]) == ("gate-1", fleet.broker.port)
        assert fleet.rights().clients["gate-1"].roles == {"demo.node.gate-1"}
        with urllib.request.urlopen(f"{fleet.url}{wire.CRL_PATH}", context=context) as told:
            x509.load_pem_x509_crl(told.read())

    def test_a_person_sees_a_sentence(self, fleet: Fleet, tmp_path: Path) -> None:
        told = fleet.run("token", "gate-9", "--catalogue", fleet.catalogue, "--by", "an")
        assert (told.code, told.out) == (2, "")
        assert "node 'gate-9' is not in the catalogue; known: gate-1" in told.err
        used = fleet.token("gate-1")
        assert fleet.enrol(used, tmp_path / "one").code == 0
        told = fleet.enrol(used, tmp_path / "two")
        assert told.code == 2
        assert "was used already, by another key" in told.err
        told = fleet.run("token", "gate-1", "--catalogue", fleet.catalogue, "--by", "an")
        assert "has a valid certificate" in told.err


def test_a_configuration_tells_all_its_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text("folder: x\nbroker: {port: 99999, hots: a}\nservice: {names: []}\n")
    with pytest.raises(FleetConfigError) as told:
        load_config(path)
    for word in ("fleet.yaml:2", "broker.port", "hots", "service.names"):
        assert word in str(told.value)
