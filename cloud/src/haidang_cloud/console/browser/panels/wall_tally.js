// Open alarms by severity with their age, cameras alive of all, events per minute, nodes.
import { age, ageOf, Axis, cameraState, live, Mark, minutes, nodes, nodeState, number, openCases, quarters, setting, SEVERITIES, start, t, word } from "haidang-live";

const STEP_MS = 5000; // a figure that moves every second is not read

// The last 60 seconds, from minutes: as much of the one before as this one has not had yet.
function lately(before, current) {
  const gone = (Math.floor(live.now / STEP_MS) * STEP_MS % 60000) / 60000;
  return Math.round(current + before * (1 - gone));
}

export default {
  components: { Axis, Mark },
  created: start,
  computed: {
    ready: () => live.ready && setting.value,
    sees: () => setting.value.events,
    answers: () => setting.value.rights.includes("case.read"),
    severities() {
      const found = new Map(SEVERITIES.map((severity) => [severity, { count: 0, oldest: Infinity }]));
      for (const row of openCases()) {
        const mine = found.get(row.severity);
        mine.count += 1;
        mine.oldest = Math.min(mine.oldest, row.raised);
      }
      return SEVERITIES.map((severity) => ({ severity, ...found.get(severity), name: word("severity", severity) }));
    },
    cameras() {
      const all = setting.value.cameras;
      const states = all.map((camera) => cameraState(camera.id));
      const good = states.filter((state) => state.good).length, unheard = states.filter((state) => state.state === "unknown").length;
      return { all: all.length, good, bad: all.length - good, unheard };
    },
    seeing() {
      const { all, bad, unheard } = this.cameras;
      if (!all) return t("tally.cameras_none");
      if (!bad) return t("tally.cameras_good");
      return t(bad === unheard ? "tally.cameras_unheard" : "tally.cameras_bad", { n: number(bad) });
    },
    nodes() {
      const all = setting.value.nodes;
      const waiting = all.reduce((sum, node) => sum + (nodes.get(node.id)?.spool_depth ?? 0), 0);
      return { all: all.length, good: all.filter((node) => nodeState(node.id).good).length, waiting };
    },
    bars() {
      const last = live.minute;
      const counts = Array.from({ length: 60 }, (_, i) => minutes.get(last - 59 + i)?.n ?? 0);
      const now = lately(counts[58], counts[59]), most = Math.max(now, ...counts), scale = Math.max(4, most);
      return { now, most, counts: counts.map((n) => (n ? Math.max(1.5, (n / scale) * 46) : 0)) };
    },
    ticks: () => quarters(live.minute),
  },
  methods: { t, number, age, ageOf },
  template: `
  <section v-if="ready" class="tally" :aria-label="t('way.overview')">
    <div v-if="answers" class="panel open"><h2>{{ t("tally.open") }}</h2>
      <div class="severities">
        <a v-for="one in severities" :key="one.severity" href="/alarms" :class="{ zero: !one.count }" :data-severity="one.severity">
          <div class="figure"><Mark :kind="one.severity"/><span data-count>{{ number(one.count) }}</span></div>
          <div class="word">{{ one.name }}</div>
          <div class="word">{{ one.count ? t("tally.oldest", { age: age(ageOf(one.oldest)) }) : "—" }}</div>
        </a>
      </div>
    </div>
    <div class="panel" data-tally="cameras"><h2>{{ t("tally.cameras") }}</h2>
      <div class="figure" :class="cameras.bad ? 'tone-notice' : ''">{{ number(cameras.good) }}<small>{{ t("tally.cameras_of", { n: number(cameras.all) }) }}</small></div>
      <div class="quiet">{{ seeing }}</div>
    </div>
    <div v-if="sees" class="panel events" data-tally="events"><h2>{{ t("tally.events") }}</h2>
      <div class="beside">
        <div class="figure">{{ number(bars.now) }}</div>
        <div class="chart"><svg class="bars" viewBox="0 0 300 50" preserveAspectRatio="none" role="img" :aria-label="t('tally.events_why', { n: number(bars.most) })">
          <line v-for="tick in ticks" :key="tick.text" class="tick" :x1="tick.at * 300" :x2="tick.at * 300" y1="0" y2="50"/>
          <line x1="0" x2="300" y1="49.5" y2="49.5"/>
          <rect v-for="(h, i) in bars.counts" :key="i" :x="i * 5" :y="49 - h" width="3.8" :height="h" :class="{ last: i === 59 }"/>
        </svg><Axis/></div>
      </div>
      <div class="quiet">{{ t("tally.events_why", { n: number(bars.most) }) }}</div>
    </div>
    <div v-if="nodes.all" class="panel" data-tally="nodes"><h2>{{ t("tally.nodes") }}</h2>
      <div class="figure" :class="nodes.good < nodes.all ? 'tone-notice' : ''">{{ number(nodes.good) }}<small>{{ t("tally.cameras_of", { n: number(nodes.all) }) }}</small></div>
      <div class="quiet">{{ nodes.waiting ? t("tally.nodes_waiting", { n: number(nodes.waiting) }) : t("tally.nodes_good") }}</div>
    </div>
  </section>
  <section v-else class="tally"><div v-for="i in 4" class="panel"><div class="skeleton" style="height:24px"></div><div class="skeleton" style="height:44px"></div></div></section>`,
};
