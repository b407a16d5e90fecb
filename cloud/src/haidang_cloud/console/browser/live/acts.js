// What a viewer does: answers, notes, log-in; and the short words that say how it went.
import { reactive } from "vue";
import { cases, live, renew } from "./store.js";
import { t } from "./words.js";

export const toasts = reactive([]);
const TOAST_MS = 6000;

export function say(text, tone = "good") {
  const toast = { text, tone, key: Math.random() };
  toasts.push(toast);
  setTimeout(() => toasts.splice(toasts.indexOf(toast), 1), TOAST_MS);
}

export async function send(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (answer.status === 401 && path !== "/login") live.over = true;
  const told = answer.status === 204 ? {} : await answer.json();
  return { ok: answer.ok, status: answer.status, told };
}

export async function readCase(id) {
  const answer = await fetch(`/live/cases/${encodeURIComponent(id)}`);
  if (answer.status === 401) live.over = true;
  return answer.ok ? answer.json() : null;
}

// Give an answer; returns how the case stands now, or null when that is not known.
export async function answer(id, kind, text) {
  const path = `/live/cases/${encodeURIComponent(id)}/answers`;
  // the same answer sent again, should this one's reply be lost, counts once
  const key = window.crypto.randomUUID?.() ?? String(Math.random());
  return settle(() => send(path, { answer: kind, note: text, id: key }), t(`case.answer.${kind}`));
}

export async function note(id, text) {
  const path = `/live/cases/${encodeURIComponent(id)}/notes`;
  return settle(() => send(path, { note: text }), t("case.answer.note"));
}

async function settle(attempt, name) {
  let done;
  try {
    done = await attempt();
  } catch {
    say(t("queue.failed", { why: t("state.away") }), "bad");
    return null;
  }
  if (done.ok) {
    cases.set(done.told.case.id, shown(done.told.case));
    say(t("queue.done", { answer: name }));
    return done.told;
  }
  if (done.status === 409) {
    const stands = done.told.case.case;
    cases.set(stands.id, shown(stands));
    say(t("queue.lost", { name: stands.by || "?", state: t(`case.${stands.state}`) }), "notice");
    return done.told.case;
  }
  if (!live.over) say(t("queue.failed", { why: done.told.detail ?? done.status }), "bad");
  return null;
}

const shown = (row) => Object.freeze({ ...row });

export async function logIn(login, password) {
  const done = await send("/login", { login, password });
  if (!done.ok) return (done.told.type ?? "").split(":").pop();
  return "";
}

// After a log-in in the same page: the socket asks again, with the new cookie.
export function goOn() {
  live.over = false;
  window.socket.disconnect().connect();
  renew();
}

export async function logOut() {
  await send("/logout", {});
  window.location.assign("/login");
}

// --- what is drawn on a camera -------------------------------------------------------------------------

export async function readDrafts(camera) {
  const answer = await fetch(`/live/cameras/${camera}/drafts`);
  return answer.ok ? answer.json() : null;
}

export async function proposeDrawing(camera, drawn) {
  return done(await send(`/live/cameras/${camera}/drawing`, drawn), () => t("camera.proposed"));
}

export async function decideDraft(id, verb, why) {
  const words = { drop: () => t("camera.dropped") };
  const published = (told) => t("camera.published", { n: told.version });
  return done(await send(`/live/drafts/${id}/${verb}`, { why }), words[verb] ?? published);
}

function done(answer, words) {
  if (answer.ok) say(words(answer.told));
  else if (!live.over) say(t("camera.failed", { why: answer.told.detail ?? answer.status }), "bad");
  return answer.ok;
}
