"""A small province: two cities, a ward in one of them, a department, and a role for each kind."""

from haidang_protocols.catalogue import Catalogue, load_texts
from haidang_protocols.wire.records import Event, Phase, RuleKind, encode_record
from haidang_protocols.wire.topics import Severity

TEXT = """
centre: {id: tinh, name: {vi: Tỉnh}, time_zone: Asia/Ho_Chi_Minh}
places:
  - {id: tinh, name: {vi: Tỉnh}, kind: province}
  - {id: vung-tau, name: {vi: Vũng Tàu}, kind: city, parent: tinh}
  - {id: ba-ria, name: {vi: Bà Rịa}, kind: city, parent: tinh}
  - {id: phuong-1, name: {vi: Phường 1}, kind: ward, parent: vung-tau}
  - {id: cong, name: {vi: Cổng}, kind: spot, parent: phuong-1}
  - {id: cho, name: {vi: Chợ}, kind: spot, parent: ba-ria}
scopes:
  - {id: centre, kind: centre, name: {vi: Toàn tỉnh}}
  - {id: cong-an, kind: department, name: {vi: Công an}, places: [tinh]}
  - {id: vung-tau, kind: locality, name: {vi: Vũng Tàu}, places: [vung-tau]}
  - {id: phuong-1, kind: locality, name: {vi: Phường 1}, places: [phuong-1]}
  - {id: ba-ria, kind: locality, name: {vi: Bà Rịa}, places: [ba-ria]}
roles:
  - {id: people-only, name: {vi: Nhân sự}, rights: [people.manage]}
  - id: admin
    name: {vi: Quản trị}
    rights: [case.read, case.answer, snapshot.read, node.read, node.command, board.read,
             audit.read, deadletter.replay, catalogue.publish, people.manage]
  - {id: guard, name: {vi: Bảo vệ}, rights: [case.read, case.answer, snapshot.read]}
  - {id: viewer, name: {vi: Người xem}, rights: [case.read, board.read]}
people:
  - {login: an, name: Nguyễn Văn An, grants: [{role: guard, scope: phuong-1}]}
  - {login: binh, name: Trần Thị Bình, grants: [{role: guard, scope: vung-tau}]}
  - {login: chi, name: Lê Chi, grants: [{role: viewer, scope: ba-ria}]}
sites:
  - {id: cong, name: {vi: Cổng}, place: cong}
  - {id: cho, name: {vi: Chợ}, place: cho}
nodes:
  - {id: cong-1, site: cong}
  - {id: cho-1, site: cho}
models:
  - {name: ssd, classes: [person]}
cameras:
  - id: cong-dong
    node: cong-1
    name: {vi: Cổng đông}
    place: cong
    source: a.mp4
    model: ssd
    zones: [{id: san, name: {vi: Sân}, polygon: [[0, 0], [1, 0], [1, 1]]}]
    rules:
      - {id: dem, kind: intrusion, name: {vi: Đêm}, zone: san, classes: [person],
         severity: critical, alarm: true}
  - id: cho-tay
    node: cho-1
    name: {vi: Chợ tây}
    place: cho
    source: b.mp4
    model: ssd
"""
SPOOL = "00112233aabbccdd"
SECOND_NS = 10**9


def province(text: str = TEXT) -> Catalogue:
    """The catalogue, loaded and checked as any other."""
    return load_texts({"tinh.yaml": text})


def alarm_of(event: str, t: int, *, camera: str = "cong-dong", phase: Phase = Phase.BEGIN) -> Event:
    """An intrusion that somebody must see now."""
    return Event(
        t=t,
        camera=camera,
        rule="dem",
        type=RuleKind.INTRUSION,
        phase=phase,
        event=event,
        severity=Severity.CRITICAL,
        alarm=True,
        zone="san",
        cls="person",
        box=(0.1, 0.2, 0.3, 0.4),
        snapshot=True,
    )


def payload_of(event: Event) -> bytes:
    """The event as a node sends it."""
    return encode_record(event)
