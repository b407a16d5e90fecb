// One camera: its picture with zones and lines over it, how it is, its rules, what it saw.
import { ageOf, cameraOf, cameras, cameraState, caseTitle, clockTime, events, live, Mark, nameOf, number, openCases, placeLine, setting, start, t, timer, word } from "haidang-live";

export default {
  components: { Mark },
  props: { camera: String },
  created: start,
  data: () => ({ failed: "" }),
  computed: {
    ready: () => live.ready && setting.value,
    it() {
      return cameraOf(this.camera);
    },
    row() {
      return cameras.get(this.camera);
    },
    state() {
      return cameraState(this.camera);
    },
    stateName() {
      const words = { silent: t("cameras.silent"), unknown: t("cameras.unknown") };
      return words[this.state.state] ?? word("camera", this.state.state);
    },
    picture() {
      const record = this.row?.picture;
      return this.it.picture && record && record !== this.failed ? `/live/cameras/${this.camera}/pictures/${record}` : "";
    },
    open() {
      return openCases().filter((row) => row.camera === this.camera);
    },
    hot() {
      return new Set(this.open.map((row) => row.zone));
    },
    recent() {
      return events.value.filter((row) => row.camera === this.camera).slice(0, 12);
    },
  },
  methods: {
    t, word, number, timer, ageOf, clockTime, caseTitle, nameOf, placeLine,
    path: (points) => points.map(([x, y]) => `${x * 1600},${y * 900}`).join(" "),
    middle(points) {
      const n = points.length;
      const [x, y] = points.reduce(([a, b], [c, d]) => [a + c / n, b + d / n], [0, 0]);
      return { left: `${x * 100}%`, top: `${y * 100}%` };
    },
  },
  template: `
  <div v-if="!ready" class="view"><div class="panel"><div class="sight skeleton"></div></div></div>
  <div v-else-if="!it" class="nothing">{{ t("camera.gone") }}<a class="button" href="/cameras">{{ t("camera.back") }}</a></div>
  <div v-else id="content">
    <div class="filterline"><a class="button" href="/cameras"><i class="q-icon material-icons notranslate" aria-hidden="true">arrow_back</i>{{ t("camera.back") }}</a>
      <div class="grow"><h2 style="font-size:20px">{{ it.name }}</h2><div class="quiet">{{ placeLine(it.place) }}</div></div>
      <span class="tag" :class="'tone-' + state.tone" style="font-size:14px;line-height:28px"><Mark :kind="state.tone"/>{{ stateName }}</span></div>
    <div class="view">
      <div class="panel"><div class="sight">
        <img v-if="picture" :src="picture" :alt="it.name" style="object-fit:fill" @error="failed = row.picture">
        <div v-else class="nothing">{{ it.picture ? t("camera.grey") : t("cameras.hidden") }}</div>
        <svg viewBox="0 0 1600 900" preserveAspectRatio="none" aria-hidden="true">
          <polygon v-for="zone in it.zones" :key="zone.id" class="zone" :class="{ hot: hot.has(zone.id) }" :points="path(zone.polygon)"/>
          <polyline v-for="line in it.lines" :key="line.id" class="wire" :points="path(line.points)"/>
        </svg>
        <span v-for="zone in it.zones" :key="zone.id" class="plate" :style="middle(zone.polygon)">{{ zone.name }}</span>
        <span v-for="line in it.lines" :key="line.id" class="plate tone-notice" :style="middle(line.points)">{{ line.name }}</span>
      </div></div>
      <div class="side">
        <section class="panel"><div class="title"><h2>{{ t("camera.state") }}</h2></div><div class="body">
          <dl class="facts">
            <dt>{{ t("camera.state") }}</dt><dd>{{ stateName }}</dd>
            <template v-if="state.why"><dt>{{ t("camera.why") }}</dt><dd>{{ state.why }}</dd></template>
            <template v-if="row && row.at"><dt>{{ t("camera.fps") }}</dt><dd>{{ number(row.fps ?? 0) }}</dd>
              <dt>{{ t("camera.age") }}</dt><dd>{{ (row.age_s ?? -1) < 0 ? "—" : number(row.age_s) + " s" }}</dd>
              <dt>{{ t("camera.restarts") }}</dt><dd>{{ number(row.restarts ?? 0) }}</dd></template>
            <dt>{{ t("camera.node") }}</dt><dd class="mono">{{ it.node }}</dd>
            <dt>{{ t("camera.model") }}</dt><dd class="mono">{{ it.model }}</dd>
          </dl></div></section>
        <section class="panel"><div class="title"><h2>{{ t("camera.rules") }}</h2></div><div class="body">
          <div v-if="!it.rules.length" class="quiet">{{ t("camera.no_rules") }}</div>
          <div v-for="rule in it.rules" :key="rule.id" class="row"><Mark :kind="rule.severity"/>
            <div class="two"><div>{{ rule.name }}<span v-if="rule.alarm" class="tag tone-bad" style="margin-left:8px">{{ t("camera.alarm") }}</span></div>
              <div class="under">{{ word("rule", rule.kind) }} · {{ nameOf("zone", rule.over, it.id) }} · {{ rule.classes.map((c) => word("class", c)).join(", ") }} · {{ rule.schedule.join(", ") || t("camera.always") }}</div></div></div>
        </div></section>
        <section class="panel" v-if="open.length"><div class="title"><h2>{{ t("camera.alarms") }}</h2></div><div class="body">
          <a v-for="one in open.slice(0, 8)" :key="one.id" class="row" :href="'/alarms/' + one.id"><Mark :kind="one.severity"/>
            <div class="two"><div>{{ caseTitle(one) }}</div><div class="under">{{ t("case." + one.state) }}</div></div><div class="age"><b>{{ timer(ageOf(one.raised)) }}</b></div></a>
        </div></section>
        <section class="panel"><div class="title"><h2>{{ t("camera.recent") }}</h2></div><div class="body">
          <div v-if="!recent.length" class="quiet">{{ t("feed.none") }}</div>
          <div v-for="one in recent" :key="one.id" class="row"><Mark :kind="one.severity"/>
            <div class="two"><div>{{ nameOf("rule", one.rule, it.id) }}<span class="faint"> · {{ word("phase", one.phase) }}</span></div></div><time>{{ clockTime(one.t) }}</time></div>
        </div></section>
      </div>
    </div>
  </div>`,
};
