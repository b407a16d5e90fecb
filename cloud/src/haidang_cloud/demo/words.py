"""What the demo says, Vietnamese first."""

LANGUAGES = ("vi", "en")

_VI = {
    "title": "Hải đăng: một trung tâm trên một máy",
    "folder": "Thư mục: {folder}",
    "step_authority": "Lập cơ quan chứng thực và chứng chỉ",
    "step_broker": "Khởi động broker (mosquitto, TLS 1.3)",
    "step_servers": "Hỏi các máy chủ đã cho",
    "step_camera": "Mở camera của bạn",
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
        "  • Chờ vài giây: người vào cổng cảng ban đêm, đám đông ở chợ, lửa, khói: có cảnh báo.\n"
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
    "kept": "Dữ liệu còn ở {folder}; chạy lại: {command}",
    "restarted": "{name} đã dừng ({why}); khởi động lại",
    "no_linux": (
        "bản chạy thử cần Linux (máy này: {system}); hãy dùng máy ảo Linux, hoặc WSL 2 trên Windows"
    ),
    "no_broker": (
        "thiếu broker mosquitto; hãy cài rồi chạy lại: `sudo apt install mosquitto` (Debian, "
        "Ubuntu) hoặc `sudo dnf install mosquitto` (Fedora). Không được phép cài: `make demo` "
        "trong thư mục Haidang tải gói của Debian hoặc Ubuntu về ~/.local cho riêng bạn"
    ),
    "port_bad": "--port {port}: cho phép từ 0 (cổng nào cũng được) đến {most}",
    "port_taken": (
        "cổng {port} trên 127.0.0.1 đang được dùng; hãy chọn cổng khác: --port 8090, hoặc --port 0 "
        "để lấy một cổng trống (make demo DEMO='--port 0')"
    ),
    "port_denied": "--port {port}: bạn không được mở cổng này; hãy chọn từ 1024 trở lên",
    "keep_busy": "--keep {folder}: một bản chạy thử khác đang dùng thư mục này",
    "keep_other": (
        "--keep {folder}: thư mục đã có dữ liệu khác; hãy cho một thư mục trống "
        "hoặc thư mục của lần chạy thử trước"
    ),
    "keep_bad": "--keep {folder}: không tạo được: {why}",
    "keep_made": (
        "--keep {folder}: thư mục này được lập {made}; hãy chạy đúng như vậy, hoặc cho một thư mục "
        "khác"
    ),
    "made_with": "với {options}",
    "made_plain": "với bốn camera vẽ sẵn, không có lựa chọn nào khác",
    "disk_full": (
        "{folder}: đĩa chỉ còn {free} MB, cần {needed} MB; hãy dọn bớt, hoặc chỉ một thư mục "
        "trên đĩa khác bằng --keep"
    ),
    "disk_low": (
        "Đĩa của {folder} chỉ còn {free} MB: khi đầy, nút bỏ bớt bản ghi và trung tâm thôi nhận; "
        "hãy dọn bớt."
    ),
    "failed": "{what} không xong: {why}",
    "slow": "sau {seconds} s vẫn chưa xong",
    "not_up": "{name} không trả lời sau {seconds} s: {why}",
    "model_bad": "--model: {why}",
    "camera_file": "--camera {why}; hãy cho một tệp video (mp4, mkv, …)",
    "camera_dark": (
        "--camera {why}; hãy xem lại địa chỉ, mật khẩu, đường mạng (haidang node check ĐỊA_CHỈ "
        "thử được), rồi chạy lại"
    ),
    "step_boards": "Dựng bảng trong Grafana",
    "grafana": "Grafana: {link}",
    "address_bad": "{option} {address}: không phải địa chỉ; địa chỉ bắt đầu bằng {allowed}",
    "server_away": (
        "{option} {address} không dùng được: {why}; hãy xem máy chủ có chạy không, địa chỉ và "
        "quyền vào có đúng không"
    ),
    "server_refuses": "{names} bị từ chối",
    "influxdb_token": "--influxdb cần --influxdb-token-file: tệp chứa token quản trị",
    "grafana_alone": "--grafana cần --influxdb: Grafana không đọc được tệp SQLite",
    "grafana_login": "--grafana cần biến môi trường: {names}",
    "file_gone": "{option} {path}: không có tệp nào như vậy",
    "model_missing": (
        "--camera cần --model: một tệp .tflite, hoặc một tên đã biết như ssd-mobilenet-v1-coco "
        "(người, xe; tự tải về)"
    ),
    "camera_alone": "--model cần --camera: bốn camera vẽ sẵn dùng mô hình của chúng",
    "manifest_alone": "--manifest cần --model: nó mô tả tệp của mô hình ấy",
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
    "step_servers": "Asking the servers that you named",
    "step_camera": "Opening your camera",
    "step_model": "Putting model {model} on the node",
    "step_enrol": "Enrolling node {node}",
    "step_catalogue": "Publishing the catalogue (cameras: {cameras})",
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
    "kept": "The data stay in {folder}; again: {command}",
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
    "port_bad": "--port {port}: allowed are 0 (any) to {most}",
    "port_taken": (
        "port {port} on 127.0.0.1 is in use; choose another: --port 8090, or --port 0 for any that "
        "is free (make demo DEMO='--port 0')"
    ),
    "port_denied": "--port {port}: you may not open this one; choose from 1024 on",
    "keep_busy": "--keep {folder}: another demo is at work in it",
    "keep_other": (
        "--keep {folder}: there is something else in it; give an empty folder or that of an "
        "earlier demo"
    ),
    "keep_bad": "--keep {folder}: cannot be made: {why}",
    "keep_made": (
        "--keep {folder}: it was set up {made}; start it the same way, or name another folder"
    ),
    "made_with": "with {options}",
    "made_plain": "with the four drawn cameras and no other option",
    "disk_full": (
        "{folder}: {free} MB are left on its disk, {needed} MB are needed; free some, or name a "
        "folder on another disk with --keep"
    ),
    "disk_low": (
        "{free} MB are left on the disk of {folder}: once it is full, the node drops records and "
        "the centre takes none; free some."
    ),
    "failed": "{what} failed: {why}",
    "slow": "it is not done after {seconds} s",
    "not_up": "{name} does not answer after {seconds} s: {why}",
    "model_bad": "--model: {why}",
    "camera_file": "--camera {why}; give a video file (mp4, mkv, …)",
    "camera_dark": (
        "--camera {why}; look at its address, password and network (haidang node check ADDRESS "
        "tries it), then start again"
    ),
    "step_boards": "Drawing boards in Grafana",
    "grafana": "Grafana: {link}",
    "address_bad": "{option} {address}: is no address; it begins with {allowed}",
    "server_away": (
        "{option} {address} cannot be used: {why}; does the server run, are its address and the "
        "log-in right?"
    ),
    "server_refuses": "{names} are refused",
    "influxdb_token": "--influxdb needs --influxdb-token-file: it holds an administrator's token",
    "grafana_alone": "--grafana needs --influxdb: Grafana cannot read a SQLite file",
    "grafana_login": "--grafana needs these environment variables: {names}",
    "file_gone": "{option} {path}: there is no such file",
    "model_missing": (
        "--camera needs --model: a .tflite file, or a known name such as ssd-mobilenet-v1-coco "
        "(people, vehicles; it is fetched)"
    ),
    "camera_alone": "--model needs --camera: the four drawn cameras use a model of their own",
    "manifest_alone": "--manifest needs --model: it says what that model's file is",
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
