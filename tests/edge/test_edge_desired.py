"""What the centre wants a node to run: believed if signed, judged, kept, and never older."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from fakes.settime import SetTime
from fakes.small_node import ABSENT, MODEL, NODE, written
from haidang_edge.agent.config import load_config
from haidang_edge.agent.declared import Declarations, UnfitError
from haidang_edge.agent.desired import Seal, hash_of
from haidang_edge.agent.facts import Facts, Question
from haidang_edge.agent.kept import KeptFiles
from haidang_edge.publish import Identity
from haidang_edge.spool import NodeClock
from haidang_fleet.enrolment.authority import Authority, new_key, pem
from haidang_protocols.catalogue import load
from haidang_protocols.catalogue.part import NodePart, encode_part, parts
from haidang_protocols.wire import messages
from haidang_protocols.wire.desired import Desired
from haidang_protocols.wire.reasons import because
from servers.node import CATALOGUE

ME = Identity(centre="demo", site="gate", node="gate-1")
WORKER = "demo.worker.w1"
NOW = datetime.now(UTC).replace(microsecond=0)


def part(version: int = 7, old: str = "", new: str = "") -> NodePart:
    """The node's part of the smallest catalogue, or of one that says something else."""
    (found,) = parts(load(CATALOGUE), version)
    if not old:
        return found
    text = encode_part(found)
    assert text.count(old) == 1, old
    return msgspec.json.decode(text.replace(old, new), type=NodePart)


# --- whom the node believes ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("ca"), name="Test", now=NOW)


@pytest.fixture
def ca(authority: Authority, tmp_path: Path) -> Path:
    path = tmp_path / "ca.crt"
    path.write_text(pem(authority.certificate))
    return path


def signed(
    authority: Authority, wanted: NodePart, *, cn: str = WORKER, since: datetime = NOW
) -> Desired:
    key, body = new_key(), encode_part(wanted)
    certificate = authority.sign_client(key.public_key(), cn=cn, now=since, days=30)
    signature = key.sign(body.encode(), ec.ECDSA(hashes.SHA256()))
    return Desired(body=body, certificate=pem(certificate), signature=signature)


def opened(seal: Seal, message: Desired) -> NodePart:
    return seal.read(seal.envelope(messages.encode(message)))


@pytest.fixture
def seal(ca: Path, tmp_path: Path) -> Seal:
    return Seal(ME, ca, NodeClock(tmp_path, trust_wall=True))


def test_what_a_worker_of_the_centre_signed_is_believed(seal: Seal, authority: Authority) -> None:
    assert opened(seal, signed(authority, part())) == part()


def test_a_changed_letter_is_found(seal: Seal, authority: Authority) -> None:
    message = signed(authority, part())
    forged = msgspec.structs.replace(message, body=message.body.replace("critical", "info"))
    with pytest.raises(UnfitError, match="not sign: its signature is not of our"):
        opened(seal, forged)


@pytest.mark.parametrize("cn", ["gate-1", "demo.console.main", "other.worker.w1", "demo.site.gate"])
def test_not_everybody_whom_the_authority_knows_may_say_what_a_node_runs(
    seal: Seal, authority: Authority, cn: str
) -> None:
    with pytest.raises(UnfitError, match=f"{cn} is no worker of centre demo"):
        opened(seal, signed(authority, part(), cn=cn))


def test_another_authority_is_nobody(seal: Seal, tmp_path: Path) -> None:
    other = Authority.make(tmp_path / "other", name="Test", now=NOW)
    with pytest.raises(UnfitError, match="not of our centre's authority"):
        opened(seal, signed(other, part()))


def test_what_is_unsigned_is_believed_on_a_broker_of_this_machine_only(
    seal: Seal, tmp_path: Path
) -> None:
    unsigned = Desired(body=encode_part(part()))
    with pytest.raises(UnfitError, match="it has no signature"):
        opened(seal, unsigned)
    assert opened(Seal(ME, None, NodeClock(tmp_path)), unsigned) == part()


def test_a_certificate_out_of_date_counts_once_the_clock_is_set(
    authority: Authority, ca: Path, tmp_path: Path
) -> None:
    old = signed(authority, part(), since=NOW - timedelta(days=60))
    early = signed(authority, part(), since=NOW + timedelta(days=60))
    for one in (old, early):
        with pytest.raises(UnfitError, match="certificate is good from"):
            opened(Seal(ME, ca, NodeClock(tmp_path, trust_wall=True)), one)
    unset = NodeClock(tmp_path / "unset", source=SetTime())
    assert opened(Seal(ME, ca, unset), old) == part()


@pytest.mark.parametrize(
    ("me", "said"),
    [
        (Identity(centre="demo", site="gate", node="gate-2"), "it is for demo/gate-1"),
        (Identity(centre="other", site="gate", node="gate-1"), "no worker of centre other"),
    ],
)
def test_what_is_for_another_node_or_centre_is_left_out(
    authority: Authority, ca: Path, tmp_path: Path, me: Identity, said: str
) -> None:
    with pytest.raises(UnfitError, match=said):
        opened(Seal(me, ca, NodeClock(tmp_path)), signed(authority, part()))


@pytest.mark.parametrize("payload", [b"", b"5", b"{", b'{"v":1}', b'{"x":' + b"[" * 99_999])
def test_what_is_no_message_is_one_sentence(seal: Seal, payload: bytes) -> None:
    with pytest.raises(UnfitError, match="what the centre sent cannot be read: "):
        seal.envelope(payload)


@pytest.mark.parametrize("body", ["", "{}", "[" * 99_999, "no JSON"])
def test_nothing_is_read_of_what_nobody_signed(seal: Seal, tmp_path: Path, body: str) -> None:
    """To read a text costs time, which whoever owns the broker must not be able to take."""
    with pytest.raises(UnfitError, match="it has no signature"):
        seal.read(Desired(body=body))
    with pytest.raises(UnfitError, match="cannot be read: NodePart"):
        Seal(ME, None, NodeClock(tmp_path)).read(Desired(body=body))


def test_of_several_authorities_in_one_file_the_signers_counts(
    authority: Authority, tmp_path: Path
) -> None:
    other = Authority.make(tmp_path / "older", name="Older", now=NOW)
    both = tmp_path / "both.crt"
    both.write_text(pem(other.certificate) + pem(authority.certificate))
    seal = Seal(ME, both, NodeClock(tmp_path, trust_wall=True))
    assert opened(seal, signed(authority, part())) == part()


# --- what counts: files, or what the centre sent ------------------------------------------------


class Models:
    """What a node has: by and by."""

    there, lacks = True, ""

    def inspect(self, question: Question) -> Facts:
        wanted = {camera.model for camera in question.cameras}
        if wanted and (not self.there or self.lacks in wanted):
            return Facts(models={}, problems=(ABSENT,))
        return Facts(models={camera.model: MODEL for camera in question.cameras})


class Box:
    """A node's folder, and declarations as they are after each start."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.models = folder, Models()
        (folder / "spool").mkdir()
        self.write_config(catalogue=None)

    def write_config(self, catalogue: str | None, **who: str) -> None:
        files = {} if catalogue is None else {"catalogue": catalogue}
        written(self.folder, NODE | files | who)

    def write_files(self, version: int, old: str = "", new: str = "") -> None:
        files = self.folder / "catalogue"
        files.mkdir(exist_ok=True)
        (files / "centre.yaml").write_text(CATALOGUE.read_text().replace(old, new))
        (files / "VERSION").write_text(f"{version}\n")
        self.write_config(catalogue="catalogue")

    def start(self) -> Declarations:
        return Declarations(load_config(self.folder / "node.yaml"), self.models.inspect)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def after_s(declared: Declarations) -> float:
    """What the catalogue in force says of its one rule."""
    return declared.current.cameras[0].rules[0].after_s


def later(version: int) -> NodePart:
    return part(version, '"after_s":1.0', '"after_s":9.0')


def offer(node: Declarations, wanted: NodePart) -> bool:
    return node.offer(wanted, sha_of(wanted))


def sha_of(wanted: NodePart) -> str:
    return hash_of(Desired(body=encode_part(wanted)))


def code_of(node: Declarations) -> str:
    return "" if node.because is None else node.because.code


def test_a_fresh_node_waits_for_the_centre_and_needs_no_files(box: Box) -> None:
    node = box.start()
    assert not node.current.cameras
    assert node.reason == "the centre has not sent this node's part of the catalogue yet"
    assert offer(node, part(7))
    assert [camera.id for camera in node.current.cameras] == ["gate-east"]
    assert (node.current.version, node.reason) == (7, "")
    assert node.knows(sha_of(part(7)))
    assert not node.knows(sha_of(later(7)))
    again = box.start()
    assert (again.current.version, again.reason) == (7, "")
    assert again.knows(sha_of(part(7)))


def test_what_does_not_fit_changes_nothing_until_it_does_over_a_restart_too(box: Box) -> None:
    node = box.start()
    offer(node, part(7))
    box.models.there = False
    assert offer(node, later(8))
    assert (node.current.version, after_s(node)) == (7, 1.0)
    assert (code_of(node), node.refused) == ("model.absent", True)
    assert not node.read_anew(even_if_same=True), "the same reason is told once"
    again = box.start()
    assert code_of(again) == "model.absent", "what was sent is known, though nobody sends it now"
    box.models.there = True
    for one in (node, again):
        assert one.read_anew(even_if_same=True)
        assert (one.current.version, after_s(one), one.reason) == (8, 9.0, "")
        assert not one.refused


def test_where_nothing_fits_any_more_the_node_stays_to_be_mended(box: Box) -> None:
    offer(box.start(), part(7))
    box.models.there = False
    node = box.start()
    assert (node.current.cameras, code_of(node)) == ((), "model.absent")
    box.models.there = True
    assert node.read_anew(even_if_same=True)
    assert (node.current.version, node.reason) == (7, "")


def test_a_last_good_one_that_fits_again_is_better_than_none(box: Box) -> None:
    offer(box.start(), part(7))
    box.models.there = False
    node = box.start()
    other = part(8, '"model":"ssd-mobilenet-v1-coco"', '"model":"other"')
    offer(node, msgspec.structs.replace(other, version=8))
    assert not node.current.cameras
    box.models.there = True
    box.models.lacks = "other"
    assert node.read_anew(even_if_same=True)
    assert (node.current.version, code_of(node)) == (7, "model.absent")


@pytest.mark.parametrize("who", [{"centre": "other"}, {"node": "gate-2"}])
def test_who_became_another_node_begins_anew(box: Box, who: dict[str, str]) -> None:
    """Else its first part would be older than what another centre sent it once."""
    offer(box.start(), part(40))
    box.write_config(catalogue=None, **who)
    node = box.start()
    assert (node.current.cameras, code_of(node)) == ((), "catalogue.awaited")
    box.write_config(catalogue=None)
    assert box.start().current.version == 40


def test_a_node_that_was_moved_says_so_and_waits(box: Box) -> None:
    offer(box.start(), part(7))
    box.write_config(catalogue=None, site="yard")
    node = box.start()
    assert (node.current.cameras, code_of(node)) == ((), "catalogue.site")
    assert "puts node 'gate-1' at site 'gate', its configuration says 'yard'" in node.reason
    moved = encode_part(part(8)).replace('"site":"gate"', '"site":"yard"')
    moved = moved.replace('"sites":[{"id":"gate"', '"sites":[{"id":"yard"')
    assert offer(node, msgspec.json.decode(moved, type=NodePart))
    assert (node.current.version, node.reason) == (8, "")


def test_the_higher_number_counts_and_the_centre_s_where_both_have_the_same(box: Box) -> None:
    box.write_files(3)
    node = box.start()
    assert (node.current.version, after_s(node)) == (3, 1.0)
    assert offer(node, later(3))
    assert (node.current.version, after_s(node)) == (3, 9.0)
    box.write_files(2)
    assert node.touched()
    assert not node.read_anew()
    assert (node.current.version, after_s(node)) == (3, 9.0)
    box.write_files(4, "after_s: 1", "after_s: 5")
    assert node.read_anew()
    assert (node.current.version, after_s(node)) == (4, 5.0)
    assert (box.start().current.version, after_s(box.start())) == (4, 5.0)
    assert offer(box.start(), part(2)), "what the centre sent before the files is not forgotten"
    assert offer(node, part(5))
    assert (node.current.version, after_s(node)) == (5, 1.0)
    box.write_files(1, "centre:", "centre: [")
    assert not node.read_anew(), "files that do not count do no harm"
    assert (box.start().current.version, node.reason) == (5, "")


def test_a_node_whose_files_are_taken_away_runs_on_as_it_did(box: Box) -> None:
    box.write_files(3)
    assert box.start().current.version == 3
    box.write_config(catalogue=None)
    node = box.start()
    assert (node.current.version, len(node.current.cameras), node.reason) == (3, 1, "")


def test_an_older_one_does_not_come_back(box: Box) -> None:
    node = box.start()
    offer(node, later(8))
    assert offer(node, part(7))
    assert (node.current.version, after_s(node)) == (8, 9.0)
    assert "version 7 of the catalogue came, older than version 8" in node.reason
    assert not node.refused
    assert not offer(node, part(7)), "told once"
    assert node.heard_again(), "what counts came again: nothing is wrong any more"
    assert node.reason == ""
    again = box.start()
    offer(again, part(7))
    assert (again.current.version, after_s(again)) == (8, 9.0)


def test_a_newer_centre_may_say_more_of_the_same_version(box: Box) -> None:
    node = box.start()
    offer(node, part(7))
    assert offer(node, later(7))
    assert (node.current.version, after_s(node), node.reason) == (7, 9.0, "")


def test_what_is_strange_does_not_hide_what_does_not_fit(box: Box) -> None:
    node = box.start()
    offer(node, part(7))
    box.models.there = False
    offer(node, later(8))
    assert not node.disbelieve(UnfitError(because("catalogue.unsigned", why="it has no signature")))
    assert code_of(node) == "model.absent"
    assert not node.heard_again()
    assert code_of(node) == "model.absent"


@pytest.mark.parametrize("name", ["catalogue.json", "sent.json"])
@pytest.mark.parametrize("torn", [b"", b"\xff", b"{", b"[]", b'{"x":' + b"[" * 99_999])
def test_a_kept_file_that_cannot_be_read_is_left_out(box: Box, name: str, torn: bytes) -> None:
    offer(box.start(), part(7))
    path = box.folder / "spool" / name
    assert path.is_file()
    path.write_bytes(torn)
    assert box.start().current.version == 7, "the other one says as much"
    for one in path.parent.glob("*.json"):
        one.write_bytes(torn)
    assert code_of(box.start()) == "catalogue.awaited"


def test_who_looks_at_a_node_is_told_which_catalogue_it_keeps(box: Box) -> None:
    def told(node: str = "gate-1") -> str:
        return KeptFiles(box.folder / "spool").line(node)

    assert told() == "catalogue: none has been in force yet"
    box.write_files(0)
    box.start()
    assert told() == "catalogue: without a number, from files, cameras: 1"
    assert told("gate-2").endswith("cameras: 0"), "files are of every node"
    node = box.start()
    offer(node, part(8))
    assert told() == "catalogue: version 8, from the centre, cameras: 1"
    box.models.there = False
    offer(node, later(9))
    assert told().endswith(
        "version 8, from the centre, cameras: 1; the centre sent version 9, which is not"
    )
    (box.folder / "spool" / "catalogue.json").write_bytes(b"{")
    assert (
        told() == "catalogue: none has been in force yet; the centre sent version 9, which is not"
    )
