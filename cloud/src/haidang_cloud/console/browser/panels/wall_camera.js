// One camera: its picture with zones and lines over it, how it is, its rules, what it saw.
import { age, ageOf, cameraOf, cameras, cameraState, caseTitle, clockTime, dayTime, decideDraft, Editor, events, live, Mark, nameOf, number, openCases, placeLine, proposeZones, readDrafts, setting, start, t, timer, word } from "haidang-live";

export default {
  components: { Editor, Mark },
  props: { camera: String },
  created: start,
  data: () => ({ failed: "", told: null, drawing: false, busy: false, looked: null }),
  mounted() {
    this.look();
  },
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
    // what is proposed is looked at before it is published
    zones() {
      return this.looked?.zones ?? this.it.zones;
    },
    classes() {
      return this.it.classes;
    },
    hot() {
      return new Set(this.open.map((row) => row.zone));
    },
    recent() {
      return events.value.filter((row) => row.camera === this.camera).slice(0, 12);
    },
  },
  methods: {
    t, word, age, dayTime, number, timer, ageOf, clockTime, caseTitle, nameOf, placeLine,
    async look() {
      this.told = await readDrafts(this.camera).catch(() => null);
    },
    async propose(drawn) {
      this.busy = true;
      if (await proposeZones(this.camera, drawn).catch(() => false)) this.drawing = false;
      this.busy = false;
      await this.look();
    },
    async decide(id, verb) {
      this.busy = true;
      await decideDraft(id, verb).catch(() => false);
      this.busy = false;
      this.looked = null;
      await this.look();
    },
    outcome: (draft) => t(`camera.draft.${draft.outcome}`, { n: draft.number }),
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
      <button v-if="told && told.may_draw && !drawing" class="button" data-act="draw" @click="drawing = true"><i class="q-icon material-icons notranslate" aria-hidden="true">edit</i>{{ t("camera.draw") }}</button>
      <span class="tag" :class="'tone-' + state.tone" style="font-size:14px;line-height:28px"><Mark :kind="state.tone"/>{{ stateName }}</span></div>
    <Editor v-if="drawing" :camera="it" :picture="picture" :classes="classes" :busy="busy" @propose="propose" @cancel="drawing = false"/>
    <div v-else class="view">
      <div class="panel"><div class="sight">
        <img v-if="picture" :src="picture" :alt="it.name" style="object-fit:fill" @error="failed = row.picture">
        <div v-else class="nothing">{{ it.picture ? t("camera.grey") : t("cameras.hidden") }}</div>
        <svg viewBox="0 0 1600 900" preserveAspectRatio="none" aria-hidden="true">
          <polygon v-for="zone in zones" :key="zone.id" class="zone" :class="{ hot: hot.has(zone.id) }" :points="path(zone.polygon)"/>
          <polyline v-for="line in it.lines" :key="line.id" class="wire" :points="path(line.points)"/>
        </svg>
        <span v-for="zone in zones" :key="zone.id" class="plate" :style="middle(zone.polygon)">{{ zone.name }}</span>
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
        <section class="panel" v-if="told && told.drafts.length"><div class="title"><h2>{{ t("camera.drafts") }}</h2></div><div class="body">
          <div v-for="draft in told.drafts.slice(0, 6)" :key="draft.id" class="row" :data-draft="draft.id" :data-outcome="draft.outcome"><div class="two">
            <div>{{ outcome(draft) }}<span v-if="draft.decided_by" class="faint"> · {{ draft.decided_by }}</span></div>
            <div class="under">{{ t("camera.draft_by", { name: draft.by }) }} · {{ dayTime(draft.at) }}</div><div v-if="draft.why" class="under">{{ draft.why }}</div></div>
            <template v-if="draft.outcome === 'open'"><button class="button" :aria-pressed="looked === draft" @click="looked = looked === draft ? null : draft">{{ t("camera.look") }}</button>
              <button v-if="told.may_publish" class="primary" :disabled="busy" data-act="publish" @click="decide(draft.id, 'publish')">{{ t("camera.publish") }}</button>
              <button class="button" :disabled="busy" data-act="drop" @click="decide(draft.id, 'drop')">{{ t("camera.drop") }}</button></template>
            <button v-else-if="told.may_publish && draft.number === told.version" class="button" :disabled="busy" data-act="undo" @click="decide(draft.id, 'undo')">{{ t("camera.undo") }}</button>
          </div></div></section>
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
