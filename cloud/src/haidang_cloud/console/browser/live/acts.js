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

// What became of it; whatever went wrong, `why` says it in the viewer's language.
export async function send(path, body) {
  const given = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, given).catch(() => null);
  if (!answer) return { ok: false, status: 0, told: {}, why: t("state.away") };
  if (answer.status === 401 && path !== "/login") live.over = true;
  const told = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
  return { ok: answer.ok, status: answer.status, told, why: answer.ok ? "" : told.detail ?? t("state.away") };
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
  return settle(send(path, { answer: kind, note: text, id: key }), t(`case.answer.${kind}`));
}

export async function note(id, text) {
  const path = `/live/cases/${encodeURIComponent(id)}/notes`;
  return settle(send(path, { note: text }), t("case.answer.note"));
}

async function settle(sent, name) {
  const done = await sent;
  if (done.ok) {
    cases.set(done.told.case.id, shown(done.told.case));
    say(t("queue.done", { answer: name }));
    return done.told;
  }
  if (done.status === 409 && done.told.case) {
    const stands = done.told.case.case;
    cases.set(stands.id, shown(stands));
    say(t("queue.lost", { name: stands.by || "?", state: t(`case.${stands.state}`) }), "notice");
    return done.told.case;
  }
  if (!live.over) say(t("queue.failed", { why: done.why }), "bad");
  return null;
}

const shown = (row) => Object.freeze({ ...row });

// Why not, or nothing.
export async function logIn(login, password) {
  return (await send("/login", { login, password })).why;
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

// The last pictures of a camera, the newest first, each a part of what it sees.
export async function readPictures(camera) {
  const answer = await fetch(`/live/cameras/${camera}/pictures`);
  return answer.ok ? answer.json() : [];
}

export async function readDrafts(camera) {
  const answer = await fetch(`/live/cameras/${camera}/drafts`);
  return answer.ok ? answer.json() : null;
}

export async function proposeDrawing(camera, drawn, mayPublish) {
  const words = () => (mayPublish ? t("camera.proposed_own") : t("camera.proposed"));
  return done(await send(`/live/cameras/${camera}/drawing`, drawn), words);
}

export async function decideDraft(id, verb, why) {
  const words = { drop: () => t("camera.dropped") };
  const published = (told) => t("camera.published", { n: told.version });
  return done(await send(`/live/drafts/${id}/${verb}`, { why }), words[verb] ?? published);
}

function done(answer, words) {
  if (answer.ok) say(words(answer.told));
  else if (!live.over) say(t("camera.failed", { why: answer.why }), "bad");
  return answer.ok;
}
