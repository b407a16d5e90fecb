// Zones drawn over a camera's picture. A corner that would make an edge cross another, or leave the
// picture, turns red while it is dragged and springs back when it is let go.
import { fault } from "./polygon.js";
import { t, word } from "./words.js";

const STEP = 0.005;
const MOVES = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };

export const Editor = {
  props: { camera: Object, picture: String, classes: Array, busy: Boolean },
  emits: ["propose", "cancel"],
  data() {
    const zones = this.camera.zones.map((zone) => ({ ...zone, polygon: zone.polygon.map((p) => [...p]), watch: "" }));
    return { zones, at: 0, corner: 0, held: null, trial: null, wrong: "", why: "", count: 0 };
  },
  computed: {
    zone() {
      return this.zones[this.at];
    },
    // as it would be: what is dragged now included
    shown() {
      return this.zones.map((zone, i) => (i === this.at && this.trial ? this.trial : zone.polygon));
    },
    middles() {
      const polygon = this.zone?.polygon ?? [];
      return polygon.map(([x, y], i) => {
        const [a, b] = polygon[(i + 1) % polygon.length];
        return [(x + a) / 2, (y + b) / 2];
      });
    },
    used() {
      return new Set(this.camera.rules.map((rule) => rule.over));
    },
    ready() {
      return !this.busy && !this.wrong && this.zones.every((zone) => zone.id || zone.name.trim());
    },
  },
  methods: {
    t, word,
    path: (polygon) => polygon.map(([x, y]) => `${x * 1600},${y * 900}`).join(" "),
    spot: ([x, y]) => ({ left: `${x * 100}%`, top: `${y * 100}%` }),
    point(event) {
      const box = this.$refs.sight.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    },
    take(i, event, fresh = false) {
      if (fresh) this.zone.polygon.splice(i + 1, 0, [...this.middles[i]]);
      this.corner = fresh ? i + 1 : i;
      this.held = { corner: this.corner, fresh };
      event.target.setPointerCapture?.(event.pointerId);
    },
    drag(event) {
      if (!this.held) return;
      this.attempt(this.point(event));
    },
    attempt(point) {
      const polygon = this.zone.polygon.map((p) => [...p]);
      polygon[this.corner] = point.map((n) => Math.round(n * 1e4) / 1e4);
      this.trial = polygon;
      this.wrong = fault(polygon);
    },
    drop() {
      if (!this.held) return;
      if (this.trial && !this.wrong) this.zone.polygon = this.trial;
      else if (this.held.fresh) this.zone.polygon.splice(this.held.corner, 1);
      this.held = this.trial = null;
      this.wrong = "";
    },
    nudge(i, event) {
      if (event.key === "Delete" || event.key === "Backspace") this.cut(i);
      const move = MOVES[event.key];
      if (!move) return;
      event.preventDefault();
      this.corner = i;
      this.attempt(this.zone.polygon[i].map((n, k) => n + move[k]));
      if (!this.wrong) this.zone.polygon = this.trial;
      this.trial = null;
    },
    cut(i) {
      const rest = this.zone.polygon.filter((_, k) => k !== i);
      if (rest.length < 3) return;
      this.wrong = fault(rest);
      if (!this.wrong) this.zone.polygon = rest;
      setTimeout(() => (this.wrong = ""), 2000);
    },
    add() {
      this.count += 1;
      const polygon = [[0.35, 0.4], [0.65, 0.4], [0.65, 0.75], [0.35, 0.75]];
      this.zones.push({ id: "", name: t("camera.new", { n: this.count }), polygon, watch: "" });
      this.at = this.zones.length - 1;
    },
    remove() {
      this.zones.splice(this.at, 1);
      this.at = Math.max(0, this.at - 1);
    },
    propose() {
      const zones = this.zones.map(({ id, name, polygon, watch }) =>
        id ? { id, polygon } : { name: name.trim(), polygon, watch: watch ? [watch] : [] });
      this.$emit("propose", { zones, why: this.why.trim() });
    },
  },
  template: `
  <div class="view editor">
    <div class="panel"><div class="sight" ref="sight" @pointermove="drag" @pointerup="drop" @pointercancel="drop">
      <img v-if="picture" :src="picture" alt="" draggable="false" style="object-fit:fill">
      <svg viewBox="0 0 1600 900" preserveAspectRatio="none" aria-hidden="true">
        <polygon v-for="(polygon, i) in shown" :key="i" class="zone" :class="{ chosen: i === at, hot: i === at && wrong }" :points="path(polygon)" @pointerdown="held || (at = i)"/>
        <polyline v-for="line in camera.lines" :key="line.id" class="wire" :points="path(line.points)"/>
      </svg>
      <template v-if="zone">
        <button v-for="(spot_, i) in middles" :key="'m' + i + zone.polygon.length" v-show="!held" class="grip middle" :style="spot(spot_)" tabindex="-1" aria-hidden="true" @pointerdown.prevent="take(i, $event, true)"></button>
        <button v-for="(corner_, i) in trial ?? zone.polygon" :key="'c' + i" class="grip" :class="{ wrong: wrong && i === corner }" :style="spot(corner_)" :aria-label="zone.name + ' ' + (i + 1)" @pointerdown.prevent="take(i, $event)" @keydown="nudge(i, $event)" @dblclick="cut(i)"></button>
      </template>
      <div v-if="wrong" class="refused" role="alert">{{ t(wrong) }}</div>
    </div></div>
    <section class="panel side-panel"><div class="title"><h2>{{ t("camera.drawing") }}</h2></div><div class="body">
      <p class="quiet">{{ t("camera.help") }}</p>
      <div class="chips" style="margin:12px 0">
        <button v-for="(one, i) in zones" :key="i" :aria-pressed="i === at" @click="at = i">{{ one.name }}</button>
        <button data-act="add" @click="add">+ {{ t("camera.add") }}</button>
      </div>
      <template v-if="zone">
        <div v-if="!zone.id" style="display:grid;gap:12px">
          <label>{{ t("camera.name") }}<input v-model="zone.name" maxlength="100"></label>
          <label>{{ t("camera.watch") }}<select v-model="zone.watch"><option value="">{{ t("camera.watch_none") }}</option><option v-for="one in classes" :key="one" :value="one">{{ word("class", one) }}</option></select></label>
        </div>
        <button class="button" style="margin-top:12px" :disabled="used.has(zone.id)" :title="used.has(zone.id) ? t('camera.used') : null" data-act="remove" @click="remove">{{ t("camera.remove") }}</button>
        <p v-if="used.has(zone.id)" class="quiet">{{ t("camera.used") }}</p>
      </template>
      <label style="margin:16px 0 12px">{{ t("camera.why_change") }}<input v-model="why" maxlength="500"></label>
      <div style="display:flex;gap:12px"><button class="primary" data-act="propose" :disabled="!ready" @click="propose">{{ t("camera.propose") }}</button>
        <button class="button" @click="$emit('cancel')">{{ t("camera.cancel") }}</button></div>
    </div></section>
  </div>`,
};
