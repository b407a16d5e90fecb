// Counts by zone over the last hour: a strip for each of the busiest zones.
import { live, minutes, nameOf, number, setting, start, t } from "haidang-live";

const STRIPS = 7;
const STEP = 5;

// Means that cameras counted, as a line over the minutes that are known.
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

export default {
  created: start,
  computed: {
    ready: () => live.ready && setting.value,
    sees: () => setting.value.events,
    observed: () => setting.value?.observed && [...minutes.values()].some((row) => row.seen),
    strips() {
      const last = Math.floor(live.now / 60000);
      return this.observed ? this.lines(seen(last)) : this.columns(begun(last));
    },
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
        const path = points.map(([x, y]) => `${(x / 59) * 300} ${30 - (y / most) * 27}`);
        const first = (points[0][0] / 59) * 300, end = (points[points.length - 1][0] / 59) * 300;
        return { key, ...this.title(key), size: points.reduce((sum, p) => sum + p[1], 0), last: points[points.length - 1][1],
                 path: `M${first} 31 L${path.join(" L")} L${end} 31 Z`, line: path.join(" ") };
      });
      return this.busiest(strips);
    },
    columns(found) {
      const most = Math.max(2, ...[...found.values()].flat());
      const strips = [...found].map(([key, counts]) => ({
        key, ...this.title(key), size: counts.reduce((a, b) => a + b, 0), last: counts[counts.length - 1],
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
  },
  template: `
  <section class="panel zones">
    <div class="title"><h2>{{ t("zones.title") }}</h2><span class="quiet">{{ observed ? t("zones.seen") : t("zones.begun") }}</span></div>
    <div class="body" tabindex="0" :aria-label="t('zones.title')">
      <div v-if="!ready" class="skeleton" style="height:48px"></div>
      <div v-else-if="!strips.length" class="nothing">{{ sees ? t("zones.none") : t("state.hidden") }}</div>
      <div v-else class="strips">
        <template v-for="one in strips" :key="one.key">
          <div class="name"><div class="cut">{{ one.zone }}</div><small class="cut">{{ one.camera }}</small></div>
          <svg viewBox="0 0 300 32" preserveAspectRatio="none" aria-hidden="true">
            <template v-if="one.path"><path :d="one.path"/><polyline :points="one.line"/></template>
            <rect v-for="(h, i) in one.columns ?? []" :key="i" :x="i * 25 + 1" :y="31 - h" width="22" :height="h"/>
          </svg>
          <div class="last">{{ number(Math.round(one.last * 10) / 10) }}</div>
        </template>
      </div>
    </div>
  </section>`,
};
