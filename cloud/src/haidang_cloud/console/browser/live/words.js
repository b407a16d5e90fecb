// Texts of the viewer's language, and names of the catalogue.
import { computed } from "vue";
import { setting } from "./store.js";

// Asked for each row, every second: there may be hundreds.
const byId = computed(() => new Map(setting.value?.cameras.map((camera) => [camera.id, camera])));

export function t(key, values = {}) {
  const text = setting.value?.texts[key] ?? "";
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
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
  const names = [];
  let at = setting.value?.places[id];
  while (at && names.length < 3) {
    names.push(at.name);
    at = setting.value.places[at.parent];
  }
  return [...new Set(names)].join(", ");
}
