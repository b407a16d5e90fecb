// Times as people read them: ages that count up, hours in the centre's own time zone.
import { live, setting } from "./store.js";
import { t } from "./words.js";

const DAY_MS = 86400000;
const formats = new Map();

function format(key, options) {
  const zone = setting.value?.time_zone ?? "UTC";
  const language = setting.value?.language === "en" ? "en-GB" : "vi-VN";
  const name = `${key} ${zone} ${language}`;
  if (!formats.has(name))
    formats.set(name, new Intl.DateTimeFormat(language, { timeZone: zone, ...options }));
  return formats.get(name);
}

export function clockTime(ms, seconds = true) {
  const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  if (seconds) options.second = "2-digit";
  return format(`clock${seconds}`, options).format(ms);
}

export function dayTime(ms) {
  const day = format("day", { day: "2-digit", month: "2-digit", year: "numeric" }).format(ms);
  return `${day} ${clockTime(ms)}`;
}

// The hour; with its day where that is another one.
export function when(ms) {
  return today(ms) === today(live.now) && live.now - ms < DAY_MS ? clockTime(ms) : dayTime(ms);
}

export function today(ms) {
  return format("today", { weekday: "short", day: "2-digit", month: "2-digit" }).format(ms);
}

// The quarter hours among the 60 minutes that end with this one: where on an axis, and what to say.
export function quarters(minute) {
  const found = [];
  for (let m = Math.ceil((minute - 59) / 15) * 15; m <= minute; m += 15)
    found.push({ at: (m - minute + 59) / 60, text: clockTime(m * 60000, false) });
  return found;
}

// How long ago something was, in milliseconds, never less than 0: clocks differ.
export function ageOf(ms) {
  return Math.max(0, live.now - ms);
}

// In whole units that are over, as timers count: what has waited two and a half hours is no three.
export function age(ms) {
  const s = Math.floor(ms / 1000);
  if (s < 120) return t("age.s", { n: s });
  if (s < 7200) return t("age.m", { n: Math.floor(s / 60) });
  if (s < 172800) return t("age.h", { n: Math.floor(s / 3600) });
  return t("age.d", { n: Math.floor(s / 86400) });
}

export function ago(ms) {
  return t("age.ago", { age: age(ageOf(ms)) });
}

// When a rule is on, as the catalogue has it: mon-sun 22:00-05:00.
export function hours(schedule) {
  const [days, span] = schedule.split(" ");
  const named = days === "mon-sun" ? t("day.all") : days.replace(/[a-z]+/g, (day) => t(`day.${day}`)).replace("-", "–");
  return `${named} ${span.replace("-", "–")}`;
}

export function number(value) {
  return new Intl.NumberFormat(setting.value?.language === "en" ? "en-GB" : "vi-VN").format(value);
}

// A timer: seconds count for the first hour, then nobody reads them.
export function timer(ms) {
  const s = Math.floor(ms / 1000), m = Math.floor(s / 60), h = Math.floor(m / 60);
  if (h >= 24) return t("timer.d", { d: Math.floor(h / 24), h: h % 24 });
  if (h) return t("timer.h", { h, m: two(m % 60) });
  return `${two(m)}:${two(s % 60)}`;
}

const two = (n) => String(n).padStart(2, "0");
