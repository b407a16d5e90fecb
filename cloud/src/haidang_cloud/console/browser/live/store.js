// What is known, and how it is kept up to date.
import { reactive, shallowReactive, shallowRef } from "vue";

const STALE_MS = 8000;
const CUT_MS = 1500; // a blink is not worth a word
const EVENTS_KEPT = 200;
const MINUTES_KEPT = 60;

export const setting = shallowRef(null);
export const cases = shallowReactive(new Map());
export const cameras = shallowReactive(new Map());
export const nodes = shallowReactive(new Map());
export const minutes = shallowReactive(new Map());
export const events = shallowRef([]);
export const live = reactive({
  ready: false, // the whole was read once
  stale: false, // nothing was heard for a while
  cut: 0, // since when the socket is gone, by this browser's clock
  over: false, // the session has ended
  held: false, // somebody writes or draws: the page must not be built anew under their hands
  failed: "", // why nothing could be read
  heard: 0, // when the last update came, by this browser's clock
  offset: 0, // the centre's clock less this browser's
  now: Date.now(), // the centre's time, once a second
  minute: Math.floor(Date.now() / 60000), // which minute that is in
  well: { broker: true, database: true, series: true, ingest: true },
});

let started = false;
let seq = -1;
let reading = null;
let early = [];
let bell = () => {};

// Who wants to know of alarms that nobody here has seen yet.
export function onAlarms(ring) {
  bell = ring;
}

export function start() {
  if (started) return;
  started = true;
  setInterval(tick, 1000);
  listen();
}

function tick() {
  setNow(Date.now() + live.offset);
  const cut = live.cut && Date.now() - live.cut > CUT_MS;
  live.stale = live.ready && (cut || Date.now() - live.heard > STALE_MS);
}

function setNow(now) {
  live.now = now;
  live.minute = Math.floor(now / 60000);
}

// NiceGUI makes its socket when the page is mounted, which is after its panels are.
function listen() {
  const socket = window.socket;
  if (!socket) {
    setTimeout(listen, 20);
    return;
  }
  socket.on("live.news", hear);
  socket.on("live.over", () => (live.over = true));
  socket.on("live.again", again);
  socket.on("connect", join);
  socket.on("disconnect", () => (live.cut = Date.now()));
  socket.on("connect_error", checkSession);
  if (socket.connected) join();
}

async function checkSession() {
  try {
    const answer = await fetch("/live/setting", { method: "HEAD" });
    if (answer.status === 401) live.over = true;
  } catch {
    // the centre is away: the socket goes on trying
  }
}

// Another catalogue, or other rights: the page is built anew, or only names and texts are read anew.
async function again() {
  if (!live.held) return window.location.reload();
  await readSetting().catch(() => null);
  join();
}

function join() {
  window.socket.emit("live.join", {}, (told) => {
    if (told.over) live.over = true;
    else renew();
  });
}

// Read everything again; updates that come meanwhile wait.
export function renew() {
  reading ??= read().finally(() => (reading = null));
  return reading;
}

async function read() {
  early = [];
  try {
    if (!setting.value) await readSetting();
    const answer = await fetch("/live/state");
    if (answer.status === 401) {
      live.over = true;
      return;
    }
    if (!answer.ok) throw new Error(String(answer.status));
    replaceAll(await answer.json());
    live.failed = "";
    const waiting = early;
    early = [];
    waiting.forEach(hear);
  } catch (error) {
    live.failed = String(error.message || error);
    setTimeout(() => live.over || renew(), 2000);
  }
}

async function readSetting() {
  const answer = await fetch("/live/setting");
  if (answer.status === 401) live.over = true;
  if (!answer.ok) throw new Error(String(answer.status));
  setting.value = await answer.json();
  document.documentElement.lang = setting.value.language;
}

function replaceAll(told) {
  const seen = live.ready ? new Set(cases.keys()) : null;
  cases.clear();
  nodes.clear();
  minutes.clear();
  cameras.clear();
  events.value = [];
  take(told, false);
  seq = told.seq;
  live.ready = true;
  // what was raised while the line was down is as new as what comes now
  if (seen) ringFor(told.cases, (row) => !seen.has(row.id));
}

function ringFor(rows, unseen) {
  const raised = (rows ?? []).filter((row) => row.state === "raised" && unseen(row));
  if (raised.length) bell(raised);
}

function hear(told) {
  if (reading) {
    early.push(told);
    return;
  }
  if (!live.ready || told.seq <= seq) return;
  if (told.seq !== seq + 1) {
    renew();
    return;
  }
  seq = told.seq;
  take(told, true);
}

function take(told, fresh) {
  live.heard = Date.now();
  live.offset = told.at - Date.now();
  setNow(told.at);
  live.stale = false;
  live.cut = 0;
  if (told.well) live.well = told.well;
  if (fresh) ringFor(told.cases, (row) => !cases.has(row.id));
  for (const row of told.cases ?? []) cases.set(row.id, row);
  for (const row of told.cameras ?? []) cameras.set(row.id, row);
  for (const row of told.nodes ?? []) nodes.set(row.id, row);
  for (const row of told.minutes ?? []) minutes.set(row.m, row);
  forget(live.minute);
  if (told.events?.length) addEvents(told.events, fresh);
}

function forget(minute) {
  for (const m of [...minutes.keys()]) if (m <= minute - MINUTES_KEPT) minutes.delete(m);
}

function addEvents(rows, fresh) {
  const known = new Set(events.value.map((row) => row.id));
  const added = rows.filter((row) => !known.has(row.id)).map((row) => ({ ...row, fresh }));
  if (!added.length) return;
  const all = [...added, ...events.value].sort((a, b) => b.t - a.t);
  events.value = all.slice(0, EVENTS_KEPT);
}
