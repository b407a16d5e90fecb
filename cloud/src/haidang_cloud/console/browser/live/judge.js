// What rows mean: what is urgent, who is silent; the same for every panel.
import { computed } from "vue";
import { cameras, cases, live, nodes } from "./store.js";
import { because, cameraOf, nameOf, placeBrief, t, word } from "./words.js";

export const SEVERITIES = ["critical", "warning", "info"];
const OPEN = new Set(["raised", "acknowledged", "on_scene"]);
const SILENT_MS = 35000; // three heartbeats and a little

export const isOpen = (row) => OPEN.has(row.state);

// The more severe first; of those, what nobody has taken up; of those, what still goes on; of those,
// what waits longest.
export function byUrgency(a, b) {
  const severity = SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity);
  const taken = (a.state !== "raised") - (b.state !== "raised");
  return severity || taken || !!a.ended - !!b.ended || a.raised - b.raised || (a.id < b.id ? -1 : 1);
}

// Sorted once for all panels of a page: there may be ten thousand.
const open = computed(() => [...cases.values()].filter(isOpen).sort(byUrgency));

export function openCases() {
  return open.value;
}

export function caseTitle(row) {
  const rule = nameOf("rule", row.rule, row.camera);
  const kind = word("rule", row.type);
  const subject = row.cls ? word("class", row.cls) : "";
  return subject ? `${rule === row.rule ? kind : rule} · ${subject}` : rule === row.rule ? kind : rule;
}

export function caseWhere(row) {
  const zone = row.zone ? nameOf("zone", row.zone, row.camera) : "";
  return [nameOf("camera", row.camera), zone].filter(Boolean).join(" · ");
}

export function caseLine(row) {
  return [caseWhere(row), placeBrief(row.place, row.camera)].filter(Boolean).join(" · ");
}

// How long somebody has waited for an answer, or did until it was closed.
export function waited(row) {
  return isOpen(row) ? Math.max(0, live.now - row.raised) : Math.max(0, row.changed - row.raised);
}

// Where a picture lies in what its camera sees: often it is a part only.
export function placed(crop) {
  if (!crop) return { inset: 0, width: "100%", height: "100%" };
  const [x0, y0, x1, y1] = crop.map((share) => share * 100);
  return { inset: "auto", left: `${x0}%`, top: `${y0}%`, width: `${x1 - x0}%`, height: `${y1 - y0}%` };
}

// A camera's state as it is now: what its node said last, unless that is too long ago.
export function cameraState(id) {
  const row = cameras.get(id);
  if (!row || !row.at) return { state: "unknown", tone: "faint", good: false, why: t("cameras.unknown_why") };
  const node = nodes.get(cameraOf(id)?.node);
  const since = live.now - row.at;
  if (since > SILENT_MS || node?.online === false)
    return { state: "silent", tone: "bad", good: false, since, why: "" };
  const tones = { live: "good", connecting: "notice", frozen: "notice", ended: "notice" };
  return { state: row.state, tone: tones[row.state] ?? "bad", good: row.state === "live", why: because(row.because, row.why) };
}

export function nodeState(id) {
  const row = nodes.get(id);
  if (!row || (!row.at && row.online === undefined)) return { state: "never", tone: "faint", good: false };
  if (row.online === false) return { state: "offline", tone: "bad", good: false };
  if (!row.at || live.now - row.at > SILENT_MS) return { state: "silent", tone: "bad", good: false };
  return { state: "online", tone: "good", good: true };
}
