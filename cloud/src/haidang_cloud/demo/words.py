"""What the demo says, Vietnamese first."""

LANGUAGES = ("vi", "en")

_VI = {
    "title": "Hải đăng: một trung tâm trên một máy",
    "folder": "Thư mục: {folder}",
    "step_authority": "Lập cơ quan chứng thực và chứng chỉ",
    "step_broker": "Khởi động broker (mosquitto, TLS 1.3)",
    "step_model": "Đặt mô hình {model} lên nút",
    "step_enrol": "Ghi danh nút {node}",
    "step_catalogue": "Ban hành danh mục: {cameras} camera",
    "step_start": "Khởi động trung tâm và nút",
    "step_ready": "Chờ bảng điều khiển và camera trả lời",
    "took": "{seconds} s",
    "ready": "Sẵn sàng sau {seconds} s.",
    "console": "Bảng điều khiển (đăng nhập một lần):\n    {link}",
    "no_console": "Bảng điều khiển chưa được cài. API: {link}",
    "desk": "Thử lỗi (cắt mạng, tắt broker, khóa cơ sở dữ liệu…):\n    {link}",
    "try": (
        "Thử xem:\n"
        "  • Chờ vài giây: người vào cổng cảng ban đêm, đám đông ở chợ, lửa, khói sẽ báo động.\n"
        "  • Tiếp nhận một cảnh báo, rồi ghi chú và đóng lại.\n"
        "  • Mở trang Thử lỗi, cắt mạng 15 giây, và nhìn sổ: mất 0, trùng 0.\n"
        "  • Vẽ lại một vùng trên camera; nút nhận bản mới sau vài giây."
    ),
    "try_own": (
        "Thử xem:\n"
        "  • Mở trang Camera, vẽ vùng của bạn lên hình; nút nhận bản mới sau vài giây.\n"
        "  • Đi vào vùng đó: cảnh báo hiện trên bảng điều khiển."
    ),
    "stop": "Ctrl-C để dừng tất cả.",
    "first_alarm": "Cảnh báo đầu tiên: {name} ({camera}), {seconds} s sau khi sẵn sàng.",
    "ending": "Đang dừng tất cả…",
    "ended": "Đã dừng; không còn tiến trình nào.",
    "kept": "Dữ liệu còn ở {folder}; chạy lại: haidang demo --keep {folder}",
    "restarted": "{name} đã dừng ({why}); khởi động lại",
    "no_linux": (
        "bản chạy thử cần Linux (máy này: {system}); hãy dùng máy ảo Linux, hoặc WSL 2 trên Windows"
    ),
    "no_broker": (
        "thiếu broker mosquitto; hãy cài rồi chạy lại: `sudo apt install mosquitto` (Debian, "
        "Ubuntu) hoặc `sudo dnf install mosquitto` (Fedora). Không được phép cài: `make demo` "
        "trong thư mục Haidang tải gói của Debian hoặc Ubuntu về ~/.local cho riêng bạn"
    ),
    "port_taken": "cổng {port} trên 127.0.0.1 đang được dùng; chọn cổng khác bằng --port",
    "keep_busy": "--keep {folder}: một bản chạy thử khác đang dùng thư mục này",
    "keep_other": (
        "--keep {folder}: thư mục đã có dữ liệu khác; hãy cho một thư mục trống "
        "hoặc thư mục của lần chạy thử trước"
    ),
    "keep_bad": "--keep {folder}: không tạo được: {why}",
    "disk_full": (
        "{folder}: đĩa chỉ còn {free} MB, cần {needed} MB; hãy dọn bớt, hoặc chỉ một thư mục "
        "trên đĩa khác bằng --keep"
    ),
    "failed": "{what} không xong: {why}",
    "not_up": "{name} không trả lời sau {seconds} s: {why}",
    "model_unknown": "--model {model}: không có tệp nào tên như vậy và cũng không có sẵn",
    "step_boards": "Dựng bảng trong Grafana",
    "grafana": "Grafana: {link}",
    "influxdb_token": "--influxdb cần --influxdb-token-file: tệp chứa token quản trị",
    "grafana_alone": "--grafana cần --influxdb: Grafana không đọc được tệp SQLite",
    "grafana_login": "--grafana cần biến môi trường: {names}",
    "camera_gone": "--camera {camera}: không có tệp nào như vậy",
    "camera_alone": "--model cần --camera: bốn camera vẽ sẵn dùng mô hình của chúng",
    "place_own": "Nơi của tôi",
    "camera_own": "Camera của tôi",
    "zone_own": "Toàn khung hình",
    "rule_own": "Có {label} trong vùng",
}
_EN = {
    "title": "Hải đăng: a whole centre on one machine",
    "folder": "Folder: {folder}",
    "step_authority": "Making the authority and its certificates",
    "step_broker": "Starting the broker (mosquitto, TLS 1.3)",
    "step_model": "Putting model {model} on the node",
    "step_enrol": "Enrolling node {node}",
    "step_catalogue": "Publishing the catalogue: {cameras} cameras",
    "step_start": "Starting the centre and the node",
    "step_ready": "Waiting for the console and the cameras to answer",
    "took": "{seconds} s",
    "ready": "Ready after {seconds} s.",
    "console": "The console (logs you in, once):\n    {link}",
    "no_console": "The console is not installed. The API: {link}",
    "desk": "Break something (cut the link, kill the broker, lock the database…):\n    {link}",
    "try": (
        "What to try:\n"
        "  • Wait some seconds: somebody at the port's gate by night, a crowd at the market, fire "
        "or smoke raise alarms.\n"
        "  • Acknowledge an alarm, write a note, close it.\n"
        "  • Open the page to break something, cut the link, watch: lost 0, doubled 0.\n"
        "  • Draw a camera's zone anew; the node follows within seconds."
    ),
    "try_own": (
        "What to try:\n"
        "  • Open Cameras, draw your zone on the picture; the node follows within seconds.\n"
        "  • Walk into it: the alarm is on the console."
    ),
    "stop": "Ctrl-C ends everything.",
    "first_alarm": "The first alarm: {name} ({camera}), {seconds} s after all was ready.",
    "ending": "Ending everything…",
    "ended": "Ended; no process is left.",
    "kept": "The data stay in {folder}; again: haidang demo --keep {folder}",
    "restarted": "{name} ended ({why}); it starts again",
    "no_linux": (
        "the demo needs Linux (this is {system}): take a virtual machine, or WSL 2 on Windows"
    ),
    "no_broker": (
        "the broker mosquitto is missing; install it and try again: `sudo apt install mosquitto` "
        "(Debian, Ubuntu) or `sudo dnf install mosquitto` (Fedora). Where you may not install: "
        "`make demo` in Haidang's folder unpacks Debian's or Ubuntu's package into ~/.local for "
        "you alone"
    ),
    "port_taken": "port {port} on 127.0.0.1 is in use; choose another with --port",
    "keep_busy": "--keep {folder}: another demo is at work in it",
    "keep_other": (
        "--keep {folder}: there is something else in it; give an empty folder or that of an "
        "earlier demo"
    ),
    "keep_bad": "--keep {folder}: cannot be made: {why}",
    "disk_full": (
        "{folder}: {free} MB are left on its disk, {needed} MB are needed; free some, or name a "
        "folder on another disk with --keep"
    ),
    "failed": "{what} failed: {why}",
    "not_up": "{name} does not answer after {seconds} s: {why}",
    "model_unknown": "--model {model}: there is no such file, and none of that name is shipped",
    "step_boards": "Drawing boards in Grafana",
    "grafana": "Grafana: {link}",
    "influxdb_token": "--influxdb needs --influxdb-token-file: it holds an administrator's token",
    "grafana_alone": "--grafana needs --influxdb: Grafana cannot read a SQLite file",
    "grafana_login": "--grafana needs these environment variables: {names}",
    "camera_gone": "--camera {camera}: there is no such file",
    "camera_alone": "--model needs --camera: the four drawn cameras use a model of their own",
    "place_own": "My place",
    "camera_own": "My camera",
    "zone_own": "Whole picture",
    "rule_own": "{label} in the zone",
}
_TABLES = {"vi": _VI, "en": _EN}


class Words:
    """The texts in one language."""

    def __init__(self, language: str) -> None:
        """One of `LANGUAGES`."""
        self.language = language
        self._table = _TABLES[language]

    def __call__(self, key: str, **values: object) -> str:
        """A text with its values in place."""
        return self._table[key].format(**values)
