"""Words that boards share: severities, rules, phases, states, columns."""

from collections.abc import Iterable

from haidang_protocols.boards.model import Tone, Word
from haidang_protocols.catalogue.model import Text


def word(value: str, vi: str, en: str, tone: Tone | None = None) -> Word:
    """A word in both languages."""
    return Word(value=value, text=Text(vi=vi, en=en), tone=tone)


SEVERITIES = (
    word("critical", "Nghiêm trọng", "Critical", Tone.BAD),
    word("warning", "Cần chú ý", "Warning", Tone.NOTICE),
    word("info", "Thông tin", "Information", Tone.NEUTRAL),
)
RULES = (
    word("intrusion", "Xâm nhập", "Intrusion"),
    word("line", "Qua vạch", "Line crossing"),
    word("crowd", "Tụ tập", "Crowd"),
    word("loitering", "Lảng vảng", "Loitering"),
    word("other", "Khác", "Other"),
)
PHASES = (
    word("begin", "Bắt đầu", "Begin"),
    word("end", "Kết thúc", "End"),
    word("moment", "Tức thời", "Moment"),
)
DIRECTIONS = (
    word("forward", "Chiều thuận", "Forward"),
    word("backward", "Chiều ngược", "Backward"),
)
CAMERA_STATES = (
    word("live", "Đang nhìn", "Live", Tone.GOOD),
    word("connecting", "Đang nối", "Connecting", Tone.NEUTRAL),
    word("frozen", "Hình đứng", "Frozen", Tone.NOTICE),
    word("stalled", "Mất hình", "Stalled", Tone.BAD),
    word("ended", "Hết nguồn", "Ended", Tone.NOTICE),
    word("down", "Ngừng", "Down", Tone.BAD),
)
CLOCKS = (
    word("true", "Đúng giờ", "Synchronised", Tone.GOOD),
    word("false", "Chưa đồng bộ", "Not synchronised", Tone.BAD),
)
THROTTLED = (
    word("true", "Bị hạ xung", "Throttled", Tone.BAD),
    word("false", "Bình thường", "Normal", Tone.GOOD),
)
CLASSES = (
    word("person", "Người", "Person"),
    word("bicycle", "Xe đạp", "Bicycle"),
    word("car", "Ô tô", "Car"),
    word("motorcycle", "Xe máy", "Motorcycle"),
    word("motorbike", "Xe máy", "Motorbike"),
    word("bus", "Xe buýt", "Bus"),
    word("truck", "Xe tải", "Truck"),
    word("boat", "Thuyền", "Boat"),
    word("fire", "Lửa", "Fire"),
    word("smoke", "Khói", "Smoke"),
)
RECORD_CLASSES = (
    word("alarm", "Cảnh báo", "Alarm", Tone.BAD),
    word("gap", "Khoảng trống", "Gap"),
    word("event", "Sự kiện", "Event", Tone.NOTICE),
    word("observation", "Quan sát", "Observation"),
    word("snapshot", "Ảnh chụp", "Snapshot"),
)
GAP_REASONS = (
    word("quota", "Bộ đệm của nút đã đầy", "The node's spool was full"),
    word("disk full", "Đĩa của nút đã đầy", "The node's disk was full"),
    word(
        "unreadable after a crash or on a bad disk",
        "Không đọc lại được sau sự cố hoặc trên đĩa hỏng",
        "Unreadable after a crash or on a bad disk",
    ),
    word("unreadable", "Trung tâm không đọc được", "The centre cannot read it"),
)
COLUMNS = (
    word("time", "Thời điểm", "Time"),
    word("severity", "Mức độ", "Severity"),
    word("camera", "Camera", "Camera"),
    word("node", "Nút", "Node"),
    word("zone", "Vùng", "Zone"),
    word("type", "Loại", "Type"),
    word("cls", "Đối tượng", "Class"),
    word("phase", "Giai đoạn", "Phase"),
    word("direction", "Chiều", "Direction"),
    word("rule", "Quy tắc", "Rule"),
    word("score", "Độ tin", "Score"),
    word("duration_s", "Kéo dài (giây)", "Duration (s)"),
    word("state", "Trạng thái", "State"),
    word("class", "Hạng", "Class"),
    word("count", "Số bản ghi", "Records"),
    word("reason", "Lý do", "Reason"),
    word("n", "Số lần", "Count"),
)


def named(things: Iterable[tuple[str, Text]]) -> tuple[Word, ...]:
    """Names from the catalogue; an id that two things call differently is shown as it is."""
    found: dict[str, set[Text]] = {}
    for value, text in things:
        found.setdefault(value, set()).add(text)
    return tuple(
        Word(value=value, text=next(iter(texts)))
        for value, texts in found.items()
        if len(texts) == 1
    )
