// One camera: its picture with zones and lines over it, how it is, its rules, what it saw.
import { age, ageOf, arrow, cameraOf, cameras, cameraState, cameraWord, caseTitle, clockTime, dayTime, decideDraft, Editor, events, forgetDrawing, hours, isWhole, keptDrawing, live, Mark, nameOf, number, openCases, Pieces, placeLine, proposeDrawing, readDrafts, readPictures, runs, setting, start, t, timer, waited, word } from "haidang-live";

const PIECES = 12;

export default {
  components: { Editor, Mark, Pieces },
  props: { camera: String },
  created: start,
  data: () => ({ failed: "", older: [], told: null, drawing: false, kept: null, busy: false, looked: null, decision: null }),
  async mounted() {
    await this.look();
    this.resume();
  },
  watch: {
    ready: {
      immediate: true,
      async handler(now) {
        if (now) this.resume();
        if (now && this.it?.picture) this.older = await readPictures(this.camera).catch(() => []);
      },
    },
    held(now) {
      live.held = now;
    },
    // what was the newest lies below the next
    row(now, before) {
      if (before?.crop && before.picture !== now?.picture) this.older = [{ record: before.picture, crop: before.crop }, ...this.older.filter((one) => one.record !== before.picture)].slice(0, PIECES);
    },
  },
  computed: {
    held() {
      return this.drawing || this.decision !== null;
    },
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
      return cameraWord(this.state.state);
    },
    picture() {
      const record = this.row?.picture;
      return this.it.picture && record && record !== this.failed ? record : "";
    },
    open() {
      return openCases().filter((row) => row.camera === this.camera);
    },
    // what is proposed is looked at before it is published
    zones() {
      return this.shapes("zones", "polygon");
    },
    lines() {
      return this.shapes("lines", "points");
    },
    runs() {
      return runs(this.it.node, this.told);
    },
    hot() {
      return new Set(this.open.map((row) => row.zone));
    },
    recent() {
      return events.value.filter((row) => row.camera === this.camera).slice(0, 12);
    },
  },
  methods: {
    // Once it is known both who looks and what there is, whichever comes last.
    resume() {
      if (!this.ready || !this.told?.may_draw || this.drawing) return;
      this.kept = keptDrawing(this.camera, this.told.shapes);
      this.drawing = this.kept !== null;
    },
    t, word, age, ageOf, dayTime, number, timer, waited, clockTime, caseTitle, nameOf, placeLine,
    async look() {
      this.told = await readDrafts(this.camera).catch(() => null);
    },
    shapes(key, points) {
      const draft = this.looked?.shapes[key];
      const language = setting.value.language;
      return draft?.map((one) => ({ id: one.id, name: (language === "en" && one.name.en) || one.name.vi, [points]: one.points })) ?? this.it[key];
    },
    async propose(drawn) {
      this.busy = true;
      if (await proposeDrawing(this.camera, drawn, this.told.may_publish)) this.leave();
      this.busy = false;
      await this.look();
    },
    leave() {
      forgetDrawing(this.camera);
      this.kept = null;
      this.drawing = false;
    },
    // publishing, dropping and undoing each have a reason; what is published is seen meanwhile
    ask(draft, verb) {
      this.decision = { id: draft.id, verb, why: verb === "publish" ? draft.why : "", looked: this.looked };
      if (verb === "publish") this.looked = draft;
      this.$nextTick(() => this.$refs.reason?.[0]?.focus());
    },
    async decide() {
      const { id, verb, why } = this.decision;
      if (!why.trim()) return;
      this.busy = true;
      if (await decideDraft(id, verb, why.trim())) this.looked = this.decision = null;
      this.busy = false;
      await this.look();
    },
    leaveIt() {
      this.looked = this.decision.looked;
      this.decision = null;
    },
    changes: (draft) => draft.changes.map((one) => t(`camera.change.${one.kind}.${one.what}`, { name: one.name })).join("; "),
    arrow, hours, isWhole,
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
    <Editor v-if="drawing" :kept="kept" :camera="it" :shapes="told.shapes" :version="told.version" :busy="busy" @propose="propose" @cancel="leave">
      <Pieces v-if="picture" :camera="camera" :newest="picture" :crop="row.crop" :older="older" :name="it.name" @gone="failed = picture"/>
      <div v-else class="nothing">{{ it.picture ? t("camera.grey") : t("cameras.hidden") }}</div></Editor>
    <div v-else class="view">
      <div class="panel"><div class="sight">
        <Pieces v-if="picture" :camera="camera" :newest="picture" :crop="row.crop" :older="older" :name="it.name" @gone="failed = picture"/>
        <div v-else class="nothing">{{ it.picture ? t("camera.grey") : t("cameras.hidden") }}</div>
        <svg viewBox="0 0 1600 900" preserveAspectRatio="none" aria-hidden="true">
          <polygon v-for="zone in zones" :key="zone.id" class="zone" :class="{ hot: hot.has(zone.id), whole: isWhole(zone.polygon) }" :points="path(zone.polygon)"/>
          <template v-for="line in lines" :key="line.id"><polyline class="wire" :points="path(line.points)"/><path class="wire" :d="arrow(line.points)"/></template>
        </svg>
        <span v-for="zone in zones" :key="zone.id" class="plate" :style="middle(zone.polygon)">{{ zone.name }}</span>
        <span v-for="line in lines" :key="line.id" class="plate tone-notice" :style="middle(line.points)">{{ line.name }}</span>
      </div><p v-if="picture" class="quiet taken">{{ t(older.length > 1 ? "camera.pieces" : "camera.taken", { age: age(ageOf(row.picture_t)) }) }}</p></div>
      <div class="side">
        <section class="panel"><div class="title"><h2>{{ t("camera.state") }}</h2></div><div class="body">
          <dl class="facts">
            <template v-if="state.why"><dt>{{ t("camera.why") }}</dt><dd>{{ state.why }}</dd></template>
            <template v-if="row && row.at"><dt>{{ t("camera.fps") }}</dt><dd>{{ number(row.fps ?? 0) }}</dd>
              <dt>{{ t("camera.age") }}</dt><dd>{{ (row.age_s ?? -1) < 0 ? "—" : t("age.s", { n: number(row.age_s) }) }}</dd>
              <dt>{{ t("camera.restarts") }}</dt><dd>{{ number(row.restarts ?? 0) }}</dd></template>
            <dt>{{ t("camera.node") }}</dt><dd class="mono">{{ it.node }}</dd>
            <template v-if="runs"><dt>{{ t("camera.catalogue") }}</dt><dd :data-runs="runs.number"><span class="state" :class="runs.tone === 'good' ? '' : 'tone-' + runs.tone" :data-tone="runs.tone"><Mark :kind="runs.tone"/>{{ runs.text }}</span><div v-if="runs.why" class="quiet">{{ runs.why }}</div></dd></template>
            <dt>{{ t("camera.model") }}</dt><dd class="mono">{{ it.model }}</dd>
          </dl></div></section>
        <section class="panel" data-rules><div class="title"><h2>{{ t("camera.rules") }}</h2></div><div class="body">
          <div v-if="!it.rules.length" class="quiet">{{ t("camera.no_rules") }}</div>
          <div v-for="rule in it.rules" :key="rule.id" class="row"><Mark :kind="rule.severity"/>
            <div class="two"><div>{{ rule.name }}<span v-if="rule.alarm" class="tag tone-bad" style="margin-left:8px">{{ t("camera.alarm") }}</span></div>
              <div class="under">{{ word("rule", rule.kind) }} · {{ nameOf("zone", rule.over, it.id) }} · {{ rule.classes.map((c) => word("class", c)).join(", ") }} · {{ rule.schedule.map(hours).join(", ") || t("camera.always") }}</div></div></div>
        </div></section>
        <section class="panel" v-if="told && told.drafts.length"><div class="title"><h2>{{ t("camera.drafts") }}</h2></div><div class="body">
          <div v-for="draft in told.drafts" :key="draft.id" class="draft" :data-draft="draft.id" :data-outcome="draft.outcome">
            <div><b>{{ outcome(draft) }}</b><span v-if="draft.decided_by" class="quiet"> · {{ draft.decided_by }}<template v-if="draft.decided_why"> · “{{ draft.decided_why }}”</template></span></div>
            <div v-if="draft.undone" class="undone">{{ t("camera.undone", draft.undone) }}</div>
            <div v-if="draft.changes.length" class="changes">{{ changes(draft) }}</div>
            <div class="quiet">{{ t("camera.draft_by", { name: draft.by }) }} · {{ dayTime(draft.at) }}<template v-if="draft.why"> · “{{ draft.why }}”</template></div>
            <form v-if="decision?.id === draft.id" class="decision" @submit.prevent="decide"><label>{{ t("camera.why." + decision.verb) }}<input ref="reason" v-model="decision.why" name="reason" maxlength="500" required></label>
              <div class="acts"><button class="primary" :disabled="busy || !decision.why.trim()" data-act="decide">{{ t("camera." + decision.verb) }}</button><button type="button" class="button" @click="leaveIt">{{ t("camera.cancel") }}</button></div></form>
            <div v-else-if="draft.outcome === 'open'" class="acts"><button class="button" data-act="look" :aria-pressed="looked?.id === draft.id" @click="looked = looked?.id === draft.id ? null : draft">{{ t("camera.look") }}</button>
              <button v-if="told.may_publish" class="primary" :disabled="busy" data-act="publish" @click="ask(draft, 'publish')">{{ t("camera.publish") }}</button>
              <button v-if="told.may_publish || draft.mine" class="button" :disabled="busy" data-act="drop" @click="ask(draft, 'drop')">{{ t("camera.drop") }}</button></div>
            <div v-else-if="told.may_publish && draft.number === told.version" class="acts"><button class="button" :disabled="busy" data-act="undo" @click="ask(draft, 'undo')">{{ t("camera.undo") }}</button></div>
          </div></div></section>
        <section class="panel" v-if="open.length"><div class="title"><h2>{{ t("camera.alarms") }}</h2><a class="quiet" :href="'/alarms?find=' + encodeURIComponent(it.name)">{{ t("shortlist.more", { n: number(open.length) }) }}</a></div><div class="body">
          <a v-for="one in open.slice(0, 8)" :key="one.id" class="row" :href="'/alarms/' + one.id"><Mark :kind="one.severity"/>
            <div class="two"><div>{{ caseTitle(one) }}</div><div class="under">{{ t("case." + one.state) }}</div></div><div class="age"><b>{{ timer(waited(one)) }}</b></div></a>
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
