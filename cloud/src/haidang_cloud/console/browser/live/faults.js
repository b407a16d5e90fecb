// The demo's desk: what is broken just now, and what became of every record.
import { say, send } from "./acts.js";
import { live } from "./store.js";
import { t } from "./words.js";

// Null while the desk does not answer.
export async function readFaults() {
  const answer = await fetch("/live/faults").catch(() => null);
  if (answer?.status === 401) live.over = true;
  return answer?.ok ? answer.json() : null;
}

export async function pressFault(name, seconds) {
  const wanted = seconds ? { for_s: seconds } : {};
  const done = await send(`/live/faults/${name}`, wanted).catch(() => null);
  if (done?.ok) return true;
  if (!live.over) say(t("faults.failed", { why: reason(done) }), "bad");
  return false;
}

function reason(done) {
  if (done?.status === 409) return t("faults.on_already");
  if (!done || done.status === 503) return t("faults.no_answer");
  return done.told.detail ?? done.status;
}
