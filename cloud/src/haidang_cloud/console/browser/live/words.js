// Texts of the viewer's language, and names of the catalogue.
import { computed } from "vue";
import { setting } from "./store.js";

// Asked for each row, every second: there may be hundreds.
const byId = computed(() => new Map(setting.value?.cameras.map((camera) => [camera.id, camera])));

export function t(key, values = {}) {
  const text = setting.value?.texts[key] ?? "";
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

// Why something is as it is; the sentence that came with it where nobody here knows its code.
export function because(reason, sentence = "") {
  if (!reason) return sentence;
  const language = setting.value?.language;
  const shown = (value) => (typeof value === "number" ? value.toLocaleString(language) : value);
  const values = Object.fromEntries(Object.entries(reason.values ?? {}).map(([name, value]) => [name, shown(value)]));
  const what = t(`mistake.${values.mistake}`, values) || values.what;
  // what nodes say of a broken line, in their own English
  const why = t(`said.${String(values.why).toLowerCase().replace(/[^a-z0-9]+/g, "_")}`) || values.why;
  return t(`why.${reason.code}`, { ...values, what, why }) || sentence;
}

// The word for a value that rows carry: a severity, a rule's kind, a class, a camera's state.
export function word(kind, value) {
  return setting.value?.words[kind]?.[value] ?? value;
}

export function cameraOf(id) {
  return byId.value.get(id);
}

export function nameOf(kind, id, camera = "") {
  if (kind === "camera") return cameraOf(id)?.name ?? id;
  if (kind === "place") return setting.value?.places[id]?.name ?? id;
  if (kind === "scope") return setting.value?.scopes[id] ?? id;
  const there = cameraOf(camera);
  const known = { zone: [...(there?.zones ?? []), ...(there?.lines ?? [])], rule: there?.rules ?? [] };
  return known[kind]?.find((one) => one.id === id)?.name ?? id;
}

// A place and what holds it, innermost first, as one line.
export function placeLine(id) {
  return [...new Set(lineage(id).map((place) => place.name))].join(", ");
}

// The same without what everybody knows: the province that all of it is in, the camera's own name.
export function placeBrief(id, camera) {
  const all = lineage(id), known = nameOf("camera", camera);
  const names = all.filter((place, i) => place.kind !== "province" || (!i && all.length === 1)).map((place) => place.name);
  return [...new Set(names)].filter((name) => name !== known).join(", ");
}

function lineage(id) {
  const found = [];
  for (let at = setting.value?.places[id]; at && found.length < 3; at = setting.value.places[at.parent]) found.push(at);
  return found;
}

// As somebody types who looks for it: without marks, without capitals.
export function plain(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").replace(/[đĐ]/g, "d").toLowerCase();
}
