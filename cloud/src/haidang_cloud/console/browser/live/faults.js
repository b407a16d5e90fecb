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
  const done = await send(`/live/faults/${name}`, wanted);
  if (!done.ok && !live.over) say(t("faults.failed", { why: done.why }), "bad");
  return done.ok;
}
