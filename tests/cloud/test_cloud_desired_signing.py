"""What nodes are told is signed by the worker's own key, or not told at all."""

import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from fakes.province import TEXT
from fakes.teller import (
    GATE,
    MOVED,
    Worker,
    part_of,
    settings_of,
    store,
)
from haidang_cloud.broker import BrokerSettings
from haidang_cloud.desired import seal_of
from haidang_cloud.errors import CloudConfigError
from haidang_cloud.state import State
from haidang_protocols.catalogue.part import decode_part
from haidang_protocols.wire import messages
from haidang_protocols.wire.desired import Desired
from servers.secure import SecureBroker
from servers.speaker import Speaker
from servers.start import wait_until

pytestmark = pytest.mark.broker

HAIDANG = Path(sys.executable).parent / "haidang"


def check(desired: Desired, authority: Path) -> str:
    """Who signed, as a node finds it out; raises `InvalidSignature`."""
    root = x509.load_pem_x509_certificate(authority.read_bytes())
    signer = x509.load_pem_x509_certificate(desired.certificate.encode())
    signer.verify_directly_issued_by(root)
    key = signer.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(desired.signature, desired.body.encode(), ec.ECDSA(SHA256()))
    return str(signer.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)


def test_what_a_node_hears_over_tls_the_worker_signed_and_no_byte_can_be_changed(
    small: State, secure: SecureBroker
) -> None:
    worker = Worker(small, settings_of(secure))
    worker.publish(1)
    worker.teller.tell()
    node = Speaker(secure.port, ca=secure.ca, cert=secure.cert("cong-1"), key=secure.key("cong-1"))
    node.up().subscribe([GATE], qos=1)
    wait_until(lambda: node.got, what="the part")
    desired = messages.decode(node.got[0][1], Desired)
    assert decode_part(desired.body).node == "cong-1"
    assert check(desired, secure.ca) == "tinh.worker.1"
    other = desired.body.replace('"version":1', '"version":2')
    assert other != desired.body
    with pytest.raises(InvalidSignature):
        check(
            Desired(body=other, certificate=desired.certificate, signature=desired.signature),
            secure.ca,
        )
    node.close()
    worker.close()


def test_a_renewed_certificate_signs_anew_without_a_new_connection(
    small: State, secure: SecureBroker
) -> None:
    settings = settings_of(secure)
    worker = Worker(small, settings)
    worker.publish(1)
    worker.teller.tell()
    before = secure.cert("tinh.worker.1").read_text()
    secure.issue("tinh.worker.1")
    assert worker.teller.wanted(), "what was signed before ends with its certificate"
    worker.teller.tell()
    assert not worker.teller.wanted()
    node = Speaker(secure.port, ca=secure.ca, cert=secure.cert("cong-1"), key=secure.key("cong-1"))
    node.up().subscribe([GATE], qos=1)
    wait_until(lambda: node.got, what="the part")
    desired = messages.decode(node.got[0][1], Desired)
    assert desired.certificate == secure.cert("tinh.worker.1").read_text() != before
    assert check(desired, secure.ca) == "tinh.worker.1"
    assert worker.line.generation == 1
    node.close()
    worker.close()


def no_file(settings: BrokerSettings) -> BrokerSettings:
    return replace(settings, key=Path("/none/key"))


def folder(settings: BrokerSettings) -> BrokerSettings:
    assert settings.cert is not None
    return replace(settings, cert=settings.cert.parent)


def swapped(settings: BrokerSettings) -> BrokerSettings:
    return replace(settings, cert=settings.key, key=settings.cert)


def not_its_key(settings: BrokerSettings) -> BrokerSettings:
    assert settings.key is not None
    return replace(settings, key=settings.key.with_name("tinh.ingest.w1.key"))


def other_kind(settings: BrokerSettings) -> BrokerSettings:
    assert settings.key is not None
    found = settings.key.with_name("rsa.key")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    found.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return replace(settings, key=found)


def locked(settings: BrokerSettings) -> BrokerSettings:
    assert settings.key is not None
    found = settings.key.with_name("locked.key")
    key = ec.generate_private_key(ec.SECP256R1())
    way = BestAvailableEncryption(b"secret")
    found.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, way))
    return replace(settings, key=found)


def other_name(settings: BrokerSettings) -> BrokerSettings:
    assert settings.cert is not None
    assert settings.key is not None
    return replace(
        settings,
        cert=settings.cert.with_name("tinh.ingest.w1.crt"),
        key=settings.key.with_name("tinh.ingest.w1.key"),
    )


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (no_file, "broker: /none/key: cannot be read: No such file or directory"),
        (folder, "clients: cannot be read: Is a directory"),
        (swapped, "tinh.worker.1.key is no certificate"),
        (not_its_key, "tinh.ingest.w1.key is not of .*tinh.worker.1.crt"),
        (other_kind, "rsa.key is not on the curve P-256"),
        (locked, "locked.key is no key to sign with: .*encrypted"),
        (other_name, "is of tinh.ingest.w1; what nodes run is signed by a tinh.worker.NAME"),
    ],
)
def test_files_that_do_not_sign_are_told_in_a_sentence(
    secure: SecureBroker,
    spoil: Callable[[BrokerSettings], BrokerSettings],
    sentence: str,
) -> None:
    with pytest.raises(CloudConfigError, match=sentence):
        seal_of(spoil(settings_of(secure)), centre="tinh")


def test_a_job_that_cannot_sign_says_so_and_tells_once_it_can(
    small: State, secure: SecureBroker
) -> None:
    settings = settings_of(secure)
    worker = Worker(small, settings)
    key = secure.key("tinh.worker.1")
    key.rename(key.with_suffix(".away"))
    jobs = worker.start(1)
    wait_until(lambda: jobs.trouble, what="trouble")
    assert "tinh.worker.1.key: cannot be read" in jobs.trouble["desired"]
    key.with_suffix(".away").rename(key)
    wait_until(lambda: not worker.teller.wanted(), what="the word", timeout_s=90)
    wait_until(lambda: not jobs.trouble, what="an end of the trouble")
    worker.close()


# --- the process --------------------------------------------------------------------------------


def test_the_worker_tells_a_new_version_to_nodes_that_listen(
    tmp_path: Path, small: State, secure: SecureBroker
) -> None:
    config, log = tmp_path / "centre.yaml", tmp_path / "worker.log"
    clients = secure.folder / "clients"
    config.write_text(
        yaml.safe_dump(
            {
                "centre": "tinh",
                "state": "sqlite:///state.sqlite",
                "timeseries": {"kind": "sqlite", "path": "series.sqlite"},
                "lake": "lake",
                "blobs": "blobs",
                "broker": {
                    "port": secure.port,
                    "ca": str(secure.ca),
                    "cert": str(clients / "tinh.{process}.crt"),
                    "key": str(clients / "tinh.{process}.key"),
                },
            }
        )
    )
    store(small, TEXT)
    node = Speaker(secure.port, ca=secure.ca, cert=secure.cert("cong-1"), key=secure.key("cong-1"))
    node.up().subscribe([GATE], qos=1)
    with log.open("ab") as out:
        process = subprocess.Popen(
            [str(HAIDANG), "cloud", "worker", "--config", str(config), "--worker", "1"],
            stdout=out,
            stderr=out,
        )
    try:
        wait_until(lambda: len(node.got) == 1, what="the first version")
        store(small, MOVED)
        wait_until(lambda: len(node.got) == 2, what="the second version")
        said = "the broker acknowledged catalogue version 2 for its nodes"
        wait_until(lambda: said in log.read_text(), what=said)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        node.close()
    assert [part_of(payload).version for _, payload in node.got] == [1, 2]
    assert check(messages.decode(node.got[1][1], Desired), secure.ca) == "tinh.worker.1"
