// Places and cameras, drawn from the catalogue: nothing is asked of a map's host.
import { cameraState, cameraWord, live, Mark, openCases, plan, setting, start, SEVERITIES, t } from "haidang-live";

const COLOURS = { good: "var(--good)", notice: "var(--notice)", bad: "var(--bad)", faint: "var(--faint)" };

const LEGEND = 28;
// Smaller ones carry no figure: their shape alone says what they are.
const ROOMY = 8;

const cross = ({ x, y, size }) => {
  const half = size * 0.42;
  return `M${x - half} ${y - half}l${2 * half} ${2 * half}m0 ${-2 * half}l${-2 * half} ${2 * half}`;
};
const diamond = ({ x, y, size }) => `M${x} ${y - size - 2}l${size + 2} ${size + 2}l${-size - 2} ${size + 2}l${-size - 2} ${-size - 2}z`;

export default {
  components: { Mark },
  created: start,
  data: () => ({ width: 900, height: 420, LEGEND, ROOMY }),
  mounted() {
    this.observer = new ResizeObserver(() => {
      const box = this.$refs.body?.getBoundingClientRect();
      if (box?.width && box.height) [this.width, this.height] = [Math.round(box.width), Math.round(box.height)];
    });
    this.observer.observe(this.$refs.body);
  },
  unmounted() {
    this.observer.disconnect();
  },
  computed: {
    ready: () => live.ready && setting.value,
    plan() {
      return plan(setting.value, this.width, this.height - LEGEND);
    },
    alarms() {
      const found = new Map();
      for (const row of openCases()) {
        const known = found.get(row.camera);
        if (!known) found.set(row.camera, { severity: row.severity, count: 1, first: row.id });
        else known.count += 1;
      }
      return found;
    },
    // what is in alarm is drawn last, above the rest
    cameras() {
      return this.plan.cameras
        .map((one) => ({ ...one, ...this.look(one) }))
        .sort((a, b) => (a.alarm ? 1 : 0) - (b.alarm ? 1 : 0));
    },
  },
  methods: {
    t,
    look(one) {
      const camera = one.camera;
      const state = cameraState(camera.id);
      const alarm = this.alarms.get(camera.id);
      const title = [camera.name, cameraWord(state.state)];
      if (alarm) title.push(t("sketch.alarm", { n: alarm.count }));
      const mark = alarm ? diamond(one) : cross(one);
      const colour = alarm ? { critical: "var(--bad)", warning: "var(--notice)", info: "var(--info)" }[alarm.severity] : COLOURS[state.tone];
      return { alarm, colour, mark, good: state.good, title: title.join(" · "), href: alarm ? `/alarms/${alarm.first}` : `/cameras/${camera.id}` };
    },
  },
  template: `
  <section class="panel sketch">
    <div class="title"><h2>{{ t("sketch.title") }}</h2><span class="quiet" v-if="ready">{{ plan.kind === "map" ? t("sketch.about") : t("sketch.scheme") }}</span></div>
    <div class="body" ref="body">
      <div v-if="!ready" class="skeleton" style="height:100%"></div>
      <div v-else-if="!plan.cameras.length" class="nothing">{{ t("sketch.none") }}</div>
      <svg v-else :viewBox="'0 0 ' + width + ' ' + (plan.height + LEGEND)" :style="{ height: plan.height + LEGEND + 'px' }" role="group" :aria-label="t('sketch.title')">
        <path v-for="area in plan.areas" :key="area.id" class="area" :d="area.path"/>
        <rect v-for="box in plan.boxes" :key="box.id" class="area" :x="box.x" :y="box.y" :width="box.w" :height="box.h" rx="10"/>
        <line v-for="tie in plan.ties" :key="tie.id" class="tie" :x1="tie.x1" :y1="tie.y1" :x2="tie.x2" :y2="tie.y2"/>
        <a v-for="one in cameras" :key="one.camera.id" class="cam" :href="one.href" :aria-label="one.title" :data-camera="one.camera.id">
          <title>{{ one.title }}</title>
          <circle class="hit" :cx="one.x" :cy="one.y" :r="one.hit"/>
          <circle v-if="one.alarm" class="wave" :cx="one.x" :cy="one.y" :r="one.size" :style="{ stroke: one.colour }"/>
          <template v-if="one.size < ROOMY">
            <path v-if="one.alarm" :d="one.mark" :style="{ fill: one.colour }"/>
            <circle v-else-if="one.good" :cx="one.x" :cy="one.y" :r="one.size - 1" :style="{ fill: one.colour }"/>
            <path v-else :d="one.mark" :style="{ stroke: one.colour, strokeWidth: 2 }"/>
          </template>
          <template v-else>
            <circle class="ring" :cx="one.x" :cy="one.y" :r="one.alarm ? one.size + 1 : one.size - 1" :style="{ stroke: one.colour, fill: one.alarm ? one.colour : null }"/>
            <text v-if="one.alarm" :x="one.x" :y="one.y + one.size * 0.42" text-anchor="middle" :font-size="one.size * (one.alarm.count > 99 ? 0.85 : 1.15)" font-weight="700" fill="#14060a">{{ one.alarm.count > 99 ? "99+" : one.alarm.count }}</text>
            <circle v-else-if="one.good" :cx="one.x" :cy="one.y" :r="one.size * 0.42" :style="{ fill: one.colour }"/>
            <path v-else :d="one.mark" :style="{ stroke: one.colour, strokeWidth: 2 }"/>
          </template>
        </a>
        <text v-for="place in plan.places" :key="place.id" class="halo" :class="place.town ? 'town' : 'spot'" :x="place.x" :y="place.y" text-anchor="middle" style="pointer-events:none">{{ place.name }}</text>
      </svg>
    </div>
    <ul v-if="ready && plan.cameras.length" class="legend"><li><Mark kind="good"/>{{ t("cameras.good") }}</li><li><Mark kind="bad"/>{{ t("cameras.bad") }}</li><li><Mark kind="critical"/>{{ t("sketch.legend") }}</li></ul>
  </section>`,
};
