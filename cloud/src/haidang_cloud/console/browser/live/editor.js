// Zones and lines drawn over a camera's picture, by mouse, touch and keys. What would make an edge
// cross another, or leave the picture, turns red while it is dragged and springs back when let go.
import { fault, isWhole, lineFault } from "./polygon.js";
import { setting } from "./store.js";
import { t, word } from "./words.js";

const STEP = 0.005, FAR = 0.025;
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const SAID_MS = 4000;
const NEW = { zone: [[0.35, 0.4], [0.65, 0.4], [0.65, 0.75], [0.35, 0.75]], line: [[0.3, 0.6], [0.7, 0.6]] };
const copy = (points) => points.map((p) => [...p]);
const rounded = (n) => Math.round(n * 1e4) / 1e4;

export const Editor = {
  props: { kept: Object, camera: Object, shapes: Object, version: Number, busy: Boolean },
  emits: ["propose", "cancel"],
  data() {
    const of = (kind, all) => all.map((one) => ({ kind, id: one.id, vi: one.name.vi, en: one.name.en ?? "", points: copy(one.points), watch: "" }));
    return {
      all: [...of("zone", this.shapes.zones), ...of("line", this.shapes.lines)],
      at: 0, corner: 0, held: null, trial: null, wrong: "", said: "", dropped: [], why: "", count: 0, before: "",
    };
  },
  created() {
    this.before = JSON.stringify(this.drawing);
    if (!this.kept) return;
    Object.assign(this, { all: this.kept.all, dropped: this.kept.dropped, why: this.kept.why, at: 0 });
    this.$nextTick(() => this.tell("camera.kept"));
  },
  watch: {
    // a page that is opened anew in the middle of the work finds it where it was
    unfinished(now) {
      if (this.changed || this.why) keepDrawing(this.camera.id, now);
      else forgetDrawing(this.camera.id);
    },
  },
  computed: {
    shape() {
      return this.all[this.at];
    },
    points() {
      return this.trial ?? this.shape?.points ?? [];
    },
    middles() {
      if (this.shape?.kind !== "zone") return [];
      const { points } = this.shape;
      return points.map(([x, y], i) => {
        const [a, b] = points[(i + 1) % points.length];
        return [(x + a) / 2, (y + b) / 2];
      });
    },
    rules() {
      return this.shape?.id ? this.camera.rules.filter((rule) => rule.over === this.shape.id) : [];
    },
    watching() {
      return this.rules.filter((rule) => !this.dropped.includes(rule.id));
    },
    drawing() {
      const given = ({ id, vi, en, watch }) => ({ ...(id ? { id } : {}), name: { vi: vi.trim(), en: en.trim() }, watch: watch ? [watch] : [] });
      const of = (kind, key) => this.all.filter((one) => one.kind === kind).map((one) => ({ ...given(one), [key]: one.points }));
      return { zones: of("zone", "polygon"), lines: of("line", "points"), dropped: this.dropped };
    },
    unfinished() {
      return JSON.stringify({ on: JSON.stringify(this.shapes), all: this.all, dropped: this.dropped, why: this.why });
    },
    changed() {
      return JSON.stringify(this.drawing) !== this.before;
    },
    // what is still missing, as a sentence; nothing when it can be proposed
    missing() {
      if (!this.changed) return t("camera.nothing_changed");
      if (this.all.some((one) => !one.vi.trim())) return t("camera.nameless");
      return this.why.trim() ? "" : t("camera.whyless");
    },
    many() {
      return this.shape?.kind === "zone" && this.shape.points.length > 3;
    },
  },
  methods: {
    t, word, isWhole,
    shown: (one) => nameOfShape(one, document.documentElement.lang),
    placed(i) {
      return i === this.at ? this.points : this.all[i].points;
    },
    path: (points) => points.map(([x, y]) => `${x * 1600},${y * 900}`).join(" "),
    spot: ([x, y]) => ({ left: `${x * 100}%`, top: `${y * 100}%` }),
    arrow,
    judge(points) {
      return this.shape.kind === "zone" ? fault(points) : lineFault(points);
    },
    point(event) {
      const box = this.$refs.sight.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    },
    tell(key, values = {}) {
      this.said = t(key, values);
      clearTimeout(this.timer);
      this.timer = setTimeout(() => (this.said = ""), SAID_MS);
    },
    choose(i) {
      if (this.held) return;
      this.at = i;
      this.corner = 0;
      this.said = "";
    },
    // --- dragging ---------------------------------------------------------------------------
    take(i, event, fresh = false) {
      if (fresh) this.shape.points.splice(i + 1, 0, [...this.middles[i]]);
      this.corner = fresh ? i + 1 : i;
      this.held = { corner: this.corner, fresh };
      event.target.setPointerCapture?.(event.pointerId);
    },
    // a whole shape by its inside
    grab(i, event) {
      if (this.held) return;
      if (i !== this.at) return this.choose(i);
      this.held = { from: this.point(event), points: copy(this.shape.points) };
      event.target.setPointerCapture?.(event.pointerId);
    },
    drag(event) {
      if (!this.held) return;
      const [x, y] = this.point(event), { from, points, corner } = this.held;
      if (from) this.attempt(points.map(([a, b]) => [a + x - from[0], b + y - from[1]]));
      else this.attempt(this.moved(corner, [x, y]));
    },
    moved(corner, point) {
      const points = copy(this.shape.points);
      points[corner] = point;
      return points;
    },
    attempt(points) {
      this.trial = points.map((p) => p.map(rounded));
      this.wrong = this.judge(this.trial);
    },
    drop() {
      if (!this.held) return;
      if (this.trial && !this.wrong) this.shape.points = this.trial;
      else {
        if (this.held.fresh && this.trial) this.shape.points.splice(this.held.corner, 1);
        if (this.wrong) this.tell(this.wrong);
      }
      this.held = this.trial = null;
      this.wrong = "";
    },
    // --- keys and buttons -------------------------------------------------------------------
    key(i, event) {
      const does = { Delete: this.cut, Backspace: this.cut, Insert: this.add, "+": this.add }[event.key];
      const move = MOVES[event.key];
      if (!does && !move) return;
      event.preventDefault();
      this.corner = i;
      if (does) does(i);
      else this.settle(this.moved(i, this.shape.points[i].map((n, k) => rounded(n + move[k] * (event.shiftKey ? FAR : STEP)))));
    },
    // take points as they are, or say why not
    settle(points) {
      const wrong = this.judge(points);
      if (wrong) this.tell(wrong);
      else {
        this.shape.points = points;
        this.said = "";
      }
      return !wrong;
    },
    add(i) {
      if (this.shape.kind !== "zone") return;
      const points = copy(this.shape.points);
      points.splice(i + 1, 0, this.middles[i].map(rounded));
      if (this.settle(points)) this.focus(i + 1);
    },
    cut(i) {
      if (this.shape.kind !== "zone") return;
      if (!this.many) return this.tell("camera.three");
      if (this.settle(this.shape.points.filter((_, k) => k !== i))) this.focus(Math.min(i, this.shape.points.length - 1));
    },
    focus(i) {
      this.corner = i;
      this.$nextTick(() => this.$refs.sight.querySelectorAll(".grip:not(.middle)")[i]?.focus());
    },
    // --- whole shapes -----------------------------------------------------------------------
    begin(kind) {
      this.count += 1;
      const name = t(kind === "zone" ? "camera.new" : "camera.new_line", { n: this.count });
      this.all.push({ kind, id: "", vi: name, en: "", points: copy(NEW[kind]), watch: "" });
      this.choose(this.all.length - 1);
      this.$nextTick(() => this.$refs.name?.select());
    },
    remove() {
      if (this.watching.length) {
        const rules = this.watching.map((rule) => `“${rule.name}”`).join(", ");
        return this.tell(this.shape.kind === "zone" ? "camera.used" : "camera.used_line", { rules });
      }
      this.all.splice(this.at, 1);
      this.choose(Math.max(0, this.at - 1));
    },
    turn() {
      this.shape.points = copy(this.shape.points).reverse();
    },
    keep(rule) {
      this.dropped = this.dropped.includes(rule.id) ? this.dropped.filter((id) => id !== rule.id) : [...this.dropped, rule.id];
    },
    propose() {
      if (this.missing) return (this.said = this.missing);
      this.$emit("propose", { ...this.drawing, base: this.version, why: this.why.trim() });
    },
  },
  template: `
  <div class="view editor">
    <div class="panel"><div class="sight" ref="sight" @pointermove="drag" @pointerup="drop" @pointercancel="drop">
      <slot></slot>
      <svg viewBox="0 0 1600 900" preserveAspectRatio="none" aria-hidden="true">
        <template v-for="(one, i) in all" :key="i">
          <polygon v-if="one.kind === 'zone'" class="zone" :class="{ chosen: i === at, hot: i === at && wrong, whole: isWhole(placed(i)) }" :points="path(placed(i))" @pointerdown="grab(i, $event)"/>
          <template v-else><polyline class="wire" :class="{ chosen: i === at, hot: i === at && wrong }" :points="path(placed(i))"/><path class="wire" :class="{ chosen: i === at }" :d="arrow(placed(i))"/>
            <polyline class="near" :points="path(placed(i))" @pointerdown="grab(i, $event)"/></template>
        </template>
      </svg>
      <template v-if="shape">
        <button v-for="(spot_, i) in middles" :key="'m' + i + shape.points.length" v-show="!held" class="grip middle" :style="spot(spot_)" tabindex="-1" aria-hidden="true" @pointerdown.prevent="take(i, $event, true)"></button>
        <button v-for="(corner_, i) in points" :key="'c' + at + '-' + i" class="grip" :class="{ wrong: wrong && (i === corner || held?.from), now: i === corner }" :style="spot(corner_)" :aria-label="t('camera.corner', { name: shown(shape), n: i + 1 })" @pointerdown.prevent="take(i, $event); $event.target.focus()" @focus="corner = i" @keydown="key(i, $event)" @dblclick="cut(i)"></button>
      </template>
      <div v-if="wrong || said" class="refused" :class="{ mild: !wrong }" role="alert">{{ wrong ? t(wrong) : said }}</div>
    </div></div>
    <section class="panel side-panel"><div class="title"><h2>{{ t("camera.drawing") }}</h2></div><div class="body">
      <div class="chips" role="group" :aria-label="t('camera.drawing')">
        <button v-for="(one, i) in all" :key="i" :aria-pressed="i === at" :data-shape="one.id || 'new'" @click="choose(i)"><i class="swatch" :class="one.kind"></i>{{ shown(one) || "?" }}</button>
        <button data-act="add" @click="begin('zone')">+ {{ t("camera.add") }}</button>
        <button data-act="add-line" @click="begin('line')">+ {{ t("camera.add_line") }}</button>
      </div>
      <fieldset v-if="shape" class="shape">
        <div class="pair"><label>{{ t("camera.name") }}<input ref="name" v-model="shape.vi" name="vi" maxlength="100"></label>
          <label>{{ t("camera.name_en") }}<input v-model="shape.en" name="en" maxlength="100" lang="en"></label></div>
        <div v-for="rule in rules" :key="rule.id" class="kept" :class="{ gone: dropped.includes(rule.id) }"><span>{{ rule.name }}</span><button class="button" :data-drop="rule.id" @click="keep(rule)">{{ dropped.includes(rule.id) ? t("camera.keep_rule") : t("camera.drop_rule") }}</button></div>
        <label>{{ t(shape.kind === "zone" ? "camera.watch" : "camera.watch_line") }}<select v-model="shape.watch" name="watch"><option value="">{{ t("camera.watch_none") }}</option><option v-for="one in camera.classes" :key="one" :value="one">{{ word("class", one) }}</option></select></label>
        <div class="acts">
          <template v-if="shape.kind === 'zone'"><button class="button" data-act="corner" @click="add(corner)">{{ t("camera.corner_add") }}</button>
            <button class="button" data-act="cut" :disabled="!many" @click="cut(corner)">{{ t("camera.corner_cut") }}</button></template>
          <button v-else class="button" data-act="turn" @click="turn">{{ t("camera.turn") }}</button>
          <button class="button" data-act="remove" @click="remove">{{ t(shape.kind === "zone" ? "camera.remove" : "camera.remove_line") }}</button>
        </div>
      </fieldset>
      <p class="quiet">{{ t(shape?.kind === "line" ? "camera.help_line" : "camera.help") }}</p>
      <label>{{ t("camera.why_change") }}<input v-model="why" name="why" maxlength="500" @keydown.enter="propose"></label>
      <div class="acts"><button class="primary" data-act="propose" :disabled="busy || !!wrong" @click="propose">{{ t("camera.propose") }}</button>
        <button class="button" data-act="cancel" @click="$emit('cancel')">{{ t("camera.cancel") }}</button>
        <span class="quiet grow" role="status">{{ missing }}</span></div>
    </div></section>
  </div>`,
};

// --- what somebody began to draw, over a page that is opened anew in the same tab ------------------------

const kept = (camera) => `haidang.drawing.${setting.value?.me.login}.${camera}`;

// Only as long as what it was drawn on is what there is.
export function keptDrawing(camera, shapes) {
  try {
    const found = JSON.parse(window.sessionStorage.getItem(kept(camera)));
    return found?.on === JSON.stringify(shapes) ? found : null;
  } catch {
    return null;
  }
}

function keepDrawing(camera, drawing) {
  try {
    window.sessionStorage.setItem(kept(camera), drawing);
  } catch {
    // a browser that keeps nothing still draws
  }
}

export function forgetDrawing(camera) {
  try {
    window.sessionStorage.removeItem(kept(camera));
  } catch {
    // see above
  }
}

const nameOfShape = (one, language) => (language === "en" && one.en) || one.vi;

// From the middle of a line to its forward side: the right hand of who looks along it.
export function arrow([[x0, y0], [x1, y1]]) {
  const dx = (x1 - x0) * 1600, dy = (y1 - y0) * 900, long = Math.hypot(dx, dy) || 1;
  const [nx, ny] = [-dy / long, dx / long], [tx, ty] = [dx / long, dy / long];
  const [mx, my] = [(x0 + x1) * 800, (y0 + y1) * 450], [ex, ey] = [mx + nx * 56, my + ny * 56];
  const wing = (side) => `${ex - nx * 20 + side * tx * 14} ${ey - ny * 20 + side * ty * 14}`;
  return `M${mx} ${my}L${ex} ${ey}M${wing(1)}L${ex} ${ey}L${wing(-1)}`;
}
