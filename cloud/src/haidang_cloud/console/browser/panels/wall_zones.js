// Counts by zone over the last hour: a strip for each of the busiest zones.
import { Axis, live, minutes, nameOf, number, quarters, setting, start, t } from "haidang-live";

const STRIPS = 7;
const STEP = 5;
const HIGH = 27;

// Means that cameras counted, by zone, with the minute of the hour that each is of.
function seen(last) {
  const found = new Map();
  for (const row of minutes.values())
    for (const [key, mean] of Object.entries(row.seen ?? {})) {
      if (!found.has(key)) found.set(key, []);
      found.get(key).push([row.m - last + 59, mean]);
    }
  return found;
}

function begun(last) {
  const found = new Map();
  for (const row of minutes.values())
    for (const [key, count] of Object.entries(row.begun ?? {})) {
      if (!found.has(key)) found.set(key, Array(60 / STEP).fill(0));
      found.get(key)[Math.floor((row.m - last + 59) / STEP)] += count;
    }
  return found;
}

// A camera that counts every five minutes has no gap after four; one that was away for ten has.
function pieces(points) {
  const steps = points.slice(1).map((point, i) => point[0] - points[i][0]);
  const most = 2 * Math.max(1, Math.min(...steps, 60)) + 1;
  const found = [];
  points.forEach((point, i) => {
    if (!i || steps[i - 1] > most) found.push([]);
    found[found.length - 1].push(point);
  });
  return { found, most };
}

export default {
  components: { Axis },
  created: start,
  computed: {
    ready: () => live.ready && setting.value,
    observed: () => setting.value?.observed && [...minutes.values()].some((row) => row.seen),
    strips() {
      return this.observed ? this.lines(seen(live.minute)) : this.columns(begun(live.minute));
    },
    ticks: () => quarters(live.minute),
  },
  methods: {
    t,
    number,
    title(key) {
      const [camera, zone] = key.split("/");
      const whole = !zone || zone === "picture";
      return { zone: whole ? t("feed.picture") : nameOf("zone", zone, camera), camera: nameOf("camera", camera) };
    },
    lines(found) {
      const strips = [...found].map(([key, points]) => {
        points.sort((a, b) => a[0] - b[0]);
        const most = Math.max(1, ...points.map((point) => point[1]));
        const parts = pieces(points);
        const end = points[points.length - 1];
        return { key, ...this.title(key), size: points.reduce((sum, p) => sum + p[1], 0), most,
                 last: 59 - end[0] > parts.most + 2 ? null : end[1],
                 ...this.drawn(parts.found.map((part) => part.map(([x, y]) => [(x + 0.5) * 5, 30 - (y / most) * HIGH]))) };
      });
      return this.busiest(strips);
    },
    drawn(parts) {
      const line = parts.map((part) => `M${part.map(([x, y]) => `${x} ${y}`).join("L")}${part.length > 1 ? "" : "h.1"}`);
      const area = parts.map((part) => `M${part[0][0]} 31L${part.map(([x, y]) => `${x} ${y}`).join("L")}L${part[part.length - 1][0]} 31Z`);
      // a point of its own would be too thin to see
      const dots = parts.filter((part) => part.length === 1).map(([[x, y]]) => `M${x} ${y}h.1`);
      return { line: line.join(""), area: area.join(""), dots: dots.join("") };
    },
    columns(found) {
      const most = Math.max(2, ...[...found.values()].flat());
      const strips = [...found].map(([key, counts]) => ({
        key, ...this.title(key), size: counts.reduce((a, b) => a + b, 0), last: counts[counts.length - 1], most: Math.max(...counts),
        columns: counts.map((n) => (n ? Math.max(2, (n / most) * 30) : 0)),
      }));
      return this.busiest(strips);
    },
    // zones of the catalogue say more than whole pictures
    busiest(strips) {
      const zones = strips.filter((one) => one.zone !== t("feed.picture"));
      const chosen = zones.length ? zones : strips;
      return chosen.sort((a, b) => b.size - a.size || (a.key < b.key ? -1 : 1)).slice(0, STRIPS);
    },
    short: (value) => number(Math.round(value * 10) / 10),
  },
  template: `
  <section class="panel zones">
    <div class="title"><h2>{{ t("zones.title") }}</h2><span class="quiet">{{ observed ? t("zones.seen") : t("zones.begun") }}</span></div>
    <div class="body" tabindex="0" role="region" :aria-label="t('zones.title')">
      <div v-if="!ready" class="skeleton" style="height:48px"></div>
      <div v-else-if="!strips.length" class="nothing">{{ t("zones.none") }}</div>
      <div v-else class="strips" :style="{ gridTemplateRows: 'repeat(' + strips.length + ', minmax(34px, 56px)) 16px' }">
        <template v-for="one in strips" :key="one.key">
          <div class="name"><div class="cut">{{ one.zone }}</div><small class="cut">{{ one.camera }}</small></div>
          <div class="strip" :data-strip="one.key"><svg viewBox="0 0 300 32" preserveAspectRatio="none" aria-hidden="true">
            <line v-for="tick in ticks" :key="tick.text" :x1="tick.at * 300" :x2="tick.at * 300" y1="0" y2="32"/>
            <template v-if="one.line"><path class="area" :d="one.area"/><path class="line" :d="one.line"/><path class="line dots" :d="one.dots"/></template>
            <rect v-for="(h, i) in one.columns ?? []" :key="i" :x="i * 25 + 1" :y="31 - h" width="22" :height="h"/>
          </svg></div>
          <div class="last"><b :class="{ faint: one.last === null }">{{ one.last === null ? "—" : short(one.last) }}</b><small>{{ t("zones.most", { n: short(one.most) }) }}</small></div>
        </template>
        <div></div><Axis/><div></div>
      </div>
    </div>
  </section>`,
};
