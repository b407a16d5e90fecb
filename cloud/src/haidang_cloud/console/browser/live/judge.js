// What rows mean: what is urgent, who is silent; the same for every panel.
import { computed } from "vue";
import { cameras, cases, live, nodes, setting } from "./store.js";
import { when } from "./times.js";
import { because, cameraOf, nameOf, placeBrief, t, word } from "./words.js";

export const SEVERITIES = ["critical", "warning", "info"];
const OPEN = new Set(["raised", "acknowledged", "on_scene"]);
const SILENT_MS = 35000; // three heartbeats and a little
const SENDING_MS = 10000; // a version is with its node in one to three seconds; later is worth a colour

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
  const row = cameras.get(id), node = nodes.get(cameraOf(id)?.node);
  // a heartbeat names every camera that its node runs
  if (node && nodeState(node.id).good && !(row?.at >= node.at)) return { state: "absent", tone: "notice", good: false, why: "" };
  if (!row || !row.at) return { state: "unknown", tone: "faint", good: false, why: t("cameras.unknown_why") };
  const since = live.now - row.at;
  if (since > SILENT_MS || node?.online === false)
    return { state: "silent", tone: "bad", good: false, since, why: "" };
  const tones = { live: "good", connecting: "notice", frozen: "notice", ended: "notice" };
  return { state: row.state, tone: tones[row.state] ?? "bad", good: row.state === "live", why: because(row.because, row.why) };
}

export function cameraWord(state) {
  const words = { silent: t("cameras.silent"), unknown: t("cameras.unknown"), absent: t("cameras.absent") };
  return words[state] ?? word("camera", state);
}

export function nodeState(id) {
  const row = nodes.get(id);
  if (!row || (!row.at && row.online === undefined)) return { state: "never", tone: "faint", good: false };
  if (row.online === false) return { state: "offline", tone: "bad", good: false };
  if (row.at && live.now - row.at <= SILENT_MS) return { state: "online", tone: "good", good: true };
  if (Math.abs(live.now - row.since) <= SILENT_MS) return { state: "starting", tone: "faint", good: false };
  // who has just begun to listen has not waited for its heartbeat yet
  if (!row.at && live.now - row.born <= SILENT_MS) return { state: "never", tone: "faint", good: false };
  return { state: "silent", tone: "bad", good: false };
}

// What a node says last of itself. Of a lost broker it can tell only when it is back.
export function nodeReason(id) {
  const row = nodes.get(id), why = because(row?.because, row?.reason);
  if (!row?.because?.code.startsWith("broker.") || !row.online) return why;
  return row.since && row.synced !== false ? t("nodes.back", { at: when(row.since), why }) : "";
}

// Why a node does not run what is declared.
function refusal(row) {
  return /^(catalogue|model)\./.test(row?.because?.code ?? "") ? because(row.because, row.reason) : "";
}

// Which version of the catalogue a node runs where `told.version` was put in force at `told.since`,
// and why not that one; null where its health is not shown, or it has never said so.
export function runs(id, told) {
  const row = nodes.get(id), number = row?.catalogue, why = refusal(row);
  if (!(number || why) || !told?.version) return null;
  const { state } = nodeState(id), values = { n: number, new: told.version };
  if (!number) return { number: 0, tone: "notice", text: t("camera.runs_none", values), why };
  const behind = number !== told.version;
  if (state !== "online" && state !== "starting") {
    const later = t(state === "offline" ? "camera.runs_offline" : "camera.runs_silent", values);
    return { number, tone: "faint", text: t("camera.runs_last", values), why: behind ? later : "" };
  }
  if (!behind) return { number, tone: "good", text: t("camera.runs", values), why: "" };
  const answered = why && row.born >= told.since;
  if (!answered && live.now - told.since < SENDING_MS) return { number, tone: "faint", text: t("camera.sending", values), why: "" };
  return { number, tone: "notice", text: t("camera.runs_old", values), why };
}

// The same in short, where all nodes stand; a page begins anew with each version.
export function version(id) {
  const row = nodes.get(id), newest = setting.value.catalogue, refused = refusal(row) !== "";
  if (!row?.catalogue) return { text: "", tone: "", refused };
  if (row.catalogue === newest) return { text: t("nodes.catalogue", { n: row.catalogue }), tone: "", refused };
  const late = live.now - live.offset - performance.timeOrigin > SENDING_MS;
  const tone = nodeState(id).good && (refused || late) ? "tone-notice" : "";
  return { text: t("nodes.catalogue_old", { n: row.catalogue, new: newest }), tone, refused };
}
