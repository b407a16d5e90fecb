// A new alarm may be heard and felt: off until somebody asks for it, remembered in this browser.
import { reactive } from "vue";
import { onAlarms } from "./store.js";

const KEPT = "haidang.bell";
const TONES = { critical: [880, 660, 880, 660], warning: [740, 560], info: [620] };
const TREMBLE = { critical: [300, 120, 300, 120, 300], warning: [250, 120, 250], info: [200] };
const NOTE_S = 0.16;
const LOUD = 0.2;
const REST_MS = 2500; // many at once ring once

export const bell = reactive({
  on: false,
  muted: false, // the browser lets nothing sound before a click or a key
  rung: 0, // how often it has rung since the page was opened
});

let context = null;
let last = 0;

export function openBell() {
  bell.on = recall() === "on";
  onAlarms(ring);
  if (bell.on) wake();
  for (const touch of ["pointerdown", "keydown"]) window.addEventListener(touch, () => bell.on && wake());
}

export function turnBell() {
  bell.on = !bell.on;
  keep(bell.on ? "on" : "off");
  if (bell.on) wake().then(() => sound("info"));
}

async function wake() {
  context ??= new window.AudioContext();
  // without a click or a key this waits for one: nobody waits for it
  if (context.state === "suspended") context.resume();
  await Promise.resolve();
  bell.muted = context.state === "suspended";
  context.onstatechange = () => (bell.muted = context.state === "suspended");
}

function ring(rows) {
  if (!bell.on || Date.now() - last < REST_MS) return;
  last = Date.now();
  bell.rung += 1;
  const severity = ["critical", "warning"].find((one) => rows.some((row) => row.severity === one)) ?? "info";
  window.navigator.vibrate?.(TREMBLE[severity]);
  sound(severity);
}

function sound(severity) {
  if (context?.state !== "running") return;
  TONES[severity].forEach((pitch, i) => {
    const from = context.currentTime + i * NOTE_S;
    const note = context.createOscillator(), loud = context.createGain();
    note.frequency.value = pitch;
    // soft edges: a hard one clicks
    loud.gain.setValueAtTime(0, from);
    loud.gain.linearRampToValueAtTime(LOUD, from + 0.02);
    loud.gain.linearRampToValueAtTime(0, from + NOTE_S);
    note.connect(loud).connect(context.destination);
    note.start(from);
    note.stop(from + NOTE_S);
  });
}

// A browser that keeps nothing (a private window) still rings, as long as the page is open.
function recall() {
  try {
    return window.localStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

function keep(value) {
  try {
    window.localStorage.setItem(KEPT, value);
  } catch {
    // see above
  }
}
