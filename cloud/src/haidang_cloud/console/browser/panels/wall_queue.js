// All open alarms, one of them in full; answered by a tap or a key.
import { answer, byUrgency, cameraOf, cameras, cases, caseLine, caseTitle, dayTime, Inset, Keys, live, Mark, nameOf, note, number, openCases, placeLine, plain, readCase, setting, SEVERITIES, start, t, timer, typed, waited, when, word } from "haidang-live";

const ITEM = 72;
const SPARE = 6;
const KEYS = { a: "acknowledged", s: "on_scene", f: "false", d: "done" };
const byNews = (a, b) => b.raised - a.raised || (a.id < b.id ? -1 : 1);
const OPEN = ["raised", "acknowledged", "on_scene"];

export default {
  components: { Inset, Keys, Mark },
  props: { first: String },
  created: start,
  data() {
    return { chosen: this.first || "", whole: null, gone: false, text: new URLSearchParams(window.location.search).get("find") ?? "", note: "", notes: {}, busy: "", severity: "", fresh: false, newest: false, top: 0, seen: 900, picture: "" };
  },
  mounted() {
    window.addEventListener("keydown", this.key);
    window.addEventListener("popstate", this.back);
    this.observer = new ResizeObserver(() => (this.seen = this.$refs.list?.clientHeight || this.seen));
    this.observer.observe(this.$refs.list);
    if (this.chosen) this.load();
  },
  unmounted() {
    window.removeEventListener("keydown", this.key);
    window.removeEventListener("popstate", this.back);
    this.observer.disconnect();
  },
  computed: {
    ready: () => live.ready && setting.value,
    open: () => openCases(),
    counts() {
      return Object.fromEntries(SEVERITIES.map((s) => [s, this.open.filter((row) => row.severity === s).length]));
    },
    untaken() {
      return this.open.filter((row) => row.state === "raised").length;
    },
    next() {
      return this.queue.find((row) => row.id !== this.chosen && row.state === "raised") ?? this.queue.find((row) => row.id !== this.chosen);
    },
    // the one that is looked at stays where it was when somebody closes it
    queue() {
      const held = cases.get(this.chosen);
      const closed = held && !OPEN.includes(held.state) ? [held] : [];
      const all = this.newest || closed.length ? [...this.open, ...closed].sort(this.newest ? byNews : byUrgency) : this.open;
      const wanted = plain(this.text.trim());
      return all.filter((row) =>
        (!this.severity || row.severity === this.severity) && (!this.fresh || row.state === "raised" || row.id === this.chosen) &&
        (!wanted || this.words(row).includes(wanted)));
    },
    slice() {
      const from = Math.max(0, Math.floor(this.top / ITEM) - SPARE);
      const to = Math.ceil((this.top + this.seen) / ITEM) + SPARE;
      return this.queue.slice(from, to).map((row, i) => ({ row, at: from + i }));
    },
    row() {
      return cases.get(this.chosen) ?? this.whole?.case;
    },
    newestPicture() {
      return this.row && cameras.get(this.row.camera)?.picture;
    },
    finished() {
      return this.row && !OPEN.includes(this.row.state);
    },
    answers() {
      return this.whole?.answers ?? [];
    },
    severities: () => SEVERITIES,
  },
  watch: {
    // a link leads into the middle of a long list
    ready: {
      immediate: true,
      handler(now) {
        if (now && this.chosen) this.$nextTick(this.reveal);
      },
    },
    // whatever another one did: what is shown in full follows
    row(now, before) {
      if (now && before && (now.changed !== before.changed || now.state !== before.state)) this.load();
    },
    // a picture follows its alarm, sometimes minutes later
    newestPicture() {
      if (this.whole && !this.picture) this.load();
    },
  },
  methods: {
    t, word, number, timer, waited, caseLine, caseTitle, when, dayTime, nameOf, placeLine, cameraOf,
    words(row) {
      return plain([caseTitle(row), nameOf("camera", row.camera), nameOf("zone", row.zone, row.camera), placeLine(row.place), row.by].join(" "));
    },
    choose(id) {
      if (id === this.chosen) return;
      this.notes[this.chosen] = this.note;
      this.chosen = id;
      this.whole = null;
      this.note = this.notes[id] ?? "";
      window.history.replaceState(null, "", id ? `/alarms/${id}` : "/alarms");
      if (id) this.load();
    },
    back() {
      this.choose(decodeURIComponent(window.location.pathname.split("/")[2] ?? ""));
    },
    async load() {
      const id = this.chosen;
      const told = await readCase(id).catch(() => undefined);
      if (id !== this.chosen || told === undefined) return;
      this.gone = told === null;
      this.show(told);
    },
    show(told) {
      this.whole = told;
      this.picture = told?.picture ? `/live/cases/${encodeURIComponent(told.case.id)}/picture` : "";
    },
    async give(kind) {
      if (this.busy || !this.answers.includes(kind)) return;
      this.busy = kind;
      const told = await answer(this.chosen, kind, this.note.trim());
      this.busy = "";
      this.after(told);
    },
    async keep() {
      if (this.busy || !this.note.trim()) return;
      this.busy = "note";
      const told = await note(this.chosen, this.note.trim());
      this.busy = "";
      this.after(told);
    },
    after(told) {
      if (!told || told.case.id !== this.chosen) return;
      this.note = "";
      this.show(told);
    },
    key(event) {
      if (event.key === "Escape" && event.target.closest?.("input")) event.target.blur();
      if (typed(event) || live.over) return;
      const name = event.key.toLowerCase();
      if (event.key === "ArrowDown" || name === "j") this.step(1);
      else if (event.key === "ArrowUp" || name === "k") this.step(-1);
      else if (event.key === "Escape") this.choose("");
      else if (name === "n") this.$refs.note?.focus();
      else if (KEYS[name]) this.give(KEYS[name]);
      else return;
      event.preventDefault();
    },
    step(by) {
      const at = this.queue.findIndex((row) => row.id === this.chosen);
      const next = this.queue[at < 0 ? 0 : Math.min(this.queue.length - 1, Math.max(0, at + by))];
      if (!next) return;
      this.choose(next.id);
      this.reveal();
    },
    reveal() {
      const y = this.queue.findIndex((row) => row.id === this.chosen) * ITEM, list = this.$refs.list;
      if (y < 0) return;
      if (y < list.scrollTop) list.scrollTop = y;
      else if (y + ITEM > list.scrollTop + list.clientHeight) list.scrollTop = y + ITEM - list.clientHeight;
    },
    keyOf: (kind) => Object.keys(KEYS).find((name) => KEYS[name] === kind).toUpperCase(),
    tone: (state) => ({ raised: "tone-bad", acknowledged: "tone-info", on_scene: "tone-good" })[state] ?? "",
  },
  template: `
  <div class="queue" :class="{ one: chosen }" id="content">
    <section class="panel listing">
      <div class="title"><h2>{{ t("queue.title") }}</h2><span class="quiet">{{ number(open.length) }}</span></div>
      <div class="filters">
        <input v-model="text" type="search" :placeholder="t('queue.search')" :aria-label="t('queue.search')">
        <div class="chips">
          <button :aria-pressed="!severity" @click="severity = ''">{{ t("queue.all") }}</button>
          <button v-for="one in severities" :key="one" :aria-pressed="severity === one" @click="severity = severity === one ? '' : one">
            <Mark :kind="one"/>{{ word("severity", one) }} {{ number(counts[one]) }}</button>
          <button :aria-pressed="fresh" data-act="untaken" @click="fresh = !fresh">{{ t("queue.untaken") }} {{ number(untaken) }}</button>
          <button :aria-pressed="newest" data-act="newest" @click="newest = !newest">{{ t("queue.newest") }}</button>
        </div>
      </div>
      <div ref="list" class="list" :role="queue.length ? 'listbox' : null" tabindex="0" :aria-label="queue.length ? t('queue.title') : null" :aria-activedescendant="slice.some(({ row }) => row.id === chosen) ? 'case-' + chosen : null" @scroll="top = $event.target.scrollTop">
        <div v-if="!ready" class="skeleton" style="height:72px;margin:8px"></div>
        <div v-else-if="!queue.length" class="nothing">
          <template v-if="open.length">{{ t("queue.no_match") }}<button class="button" @click="text = severity = ''; fresh = false">{{ t("queue.every") }}</button></template>
          <template v-else><Mark kind="good"/>{{ t("queue.none") }}</template>
        </div>
        <div v-else :style="{ height: queue.length * 72 + 'px' }">
          <div v-for="{ row, at } in slice" :key="row.id" class="item" role="option" :id="'case-' + row.id" :data-case="row.id" :aria-selected="row.id === chosen" :class="{ finished: row.state === 'closed' || row.state === 'false_alarm' }" :style="{ top: at * 72 + 'px' }" @click="choose(row.id)">
            <Mark :kind="row.severity"/>
            <div class="two"><div>{{ caseTitle(row) }}<span v-if="row.ended" class="faint"> · {{ t("case.gone") }}</span></div><div class="under">{{ caseLine(row) }}</div></div>
            <div class="timer"><b>{{ timer(waited(row)) }}</b>
              <span class="tag" :class="tone(row.state)">{{ t("case." + row.state) }}<template v-if="row.by"> · {{ row.by }}</template></span></div>
          </div>
        </div>
      </div>
    </section>
    <section class="panel detail" :data-shown="whole ? whole.case.id : ''">
      <div v-if="!chosen" class="nothing choose"><p>{{ t(open.length ? "queue.choose" : "queue.none_why") }}</p><Keys/></div>
      <div v-else-if="gone" class="nothing">{{ t("queue.gone") }}<button class="button" @click="choose('')">{{ t("queue.back") }}</button></div>
      <div v-else-if="!row || !ready" class="nothing"><div class="skeleton" style="width:60%;height:32px"></div></div>
      <template v-else>
        <div class="top">
          <button class="button back" :aria-label="t('queue.back')" @click="choose('')"><i class="q-icon material-icons notranslate" aria-hidden="true">arrow_back</i></button>
          <Mark :kind="row.severity"/>
          <div class="grow"><h2 class="cut">{{ caseTitle(row) }}</h2><div class="quiet cut">{{ caseLine(row) }}</div></div>
          <div class="timer">{{ timer(waited(row)) }}<small><span class="tag" :class="tone(row.state)">{{ t("case." + row.state) }}</span><template v-if="row.by"> {{ t("case.by", { name: row.by }) }}</template></small></div>
        </div>
        <div class="middle">
          <div class="sight">
            <img v-if="picture" :src="picture" :key="picture" :alt="caseTitle(row)" @error="picture = ''">
            <Inset v-if="picture && whole.crop" :camera="row.camera" :zone="row.zone" :crop="whole.crop"/>
            <div v-else class="nothing">{{ !whole ? t("state.loading") : !whole.may_see ? t("queue.picture_hidden") : whole.picture ? t("queue.picture_failed") : row.snapshot ? t("queue.picture_later") : t("queue.picture_none") }}</div>
          </div>
          <div class="side">
            <div class="chips" v-if="row.delayed || row.synced === false || row.provisional || row.ended">
              <span v-if="row.delayed" class="tag tone-notice" :title="t('case.delayed_why')">{{ t("case.delayed") }}</span>
              <span v-if="row.synced === false" class="tag tone-notice">{{ t("case.unsynced") }}</span>
              <span v-if="row.provisional" class="tag tone-notice" :title="t('case.provisional_why')">{{ t("case.provisional") }}</span>
              <span v-if="row.ended" class="tag">{{ t("case.ended") }}</span>
            </div>
            <dl class="facts">
              <dt>{{ t("queue.camera") }}</dt><dd><a :href="'/cameras/' + row.camera">{{ nameOf("camera", row.camera) }}</a></dd>
              <dt>{{ t("queue.place") }}</dt><dd>{{ placeLine(row.place) }}</dd>
              <template v-if="row.zone"><dt>{{ t("queue.zone") }}</dt><dd>{{ nameOf("zone", row.zone, row.camera) }}</dd></template>
              <dt>{{ t("queue.rule") }}</dt><dd>{{ nameOf("rule", row.rule, row.camera) }}</dd>
              <template v-if="row.cls"><dt>{{ t("queue.object") }}</dt><dd>{{ word("class", row.cls) }}</dd></template>
              <dt>{{ t("queue.seen") }}</dt><dd>{{ dayTime(row.t) }}</dd>
              <dt>{{ t("queue.known") }}</dt><dd>{{ when(row.raised) }}</dd>
              <template v-if="row.ended"><dt>{{ t("queue.ended") }}</dt><dd>{{ when(row.ended) }}</dd></template>
              <dt>{{ t("queue.scope") }}</dt><dd>{{ nameOf("scope", row.scope) }}</dd>
              <dt>{{ t("queue.node") }}</dt><dd class="mono">{{ row.node }}</dd>
            </dl>
            <div v-if="whole"><h2 style="margin-bottom:8px">{{ t("queue.history") }}</h2>
              <ol class="history">
                <li v-for="(step, i) in whole.steps" :key="i" :data-step="step.action"><b>{{ t("step." + step.action) }}</b>
                  <div class="said">{{ when(step.at) }}<template v-if="step.actor"> · {{ step.actor }}</template></div>
                  <q v-if="step.note">{{ step.note }}</q></li>
              </ol></div>
          </div>
        </div>
        <div class="actions" v-if="whole">
          <template v-if="whole.may_note">
            <div style="display:flex;gap:10px"><input ref="note" v-model="note" maxlength="2000" :placeholder="t('queue.note')" :aria-label="t('queue.note')" @keydown.enter="keep">
              <button class="button" :disabled="!note.trim() || !!busy" data-answer="note" @click="keep">{{ t("queue.note_save") }} <kbd>N</kbd></button></div>
            <div class="buttons" v-if="answers.length">
              <button v-for="(kind, i) in answers" :key="kind" :class="i === 0 ? 'primary' : 'button'" :data-answer="kind" :disabled="!!busy || !live.well.database" @click="give(kind)">{{ busy === kind ? t("queue.wait") : t("case.answer." + kind) }} <kbd>{{ keyOf(kind) }}</kbd></button>
            </div>
            <div v-else class="over"><span class="quiet">{{ t("queue.finished") }}</span><button v-if="next" class="primary" data-act="next" @click="choose(next.id)">{{ t("queue.next") }}</button></div>
          </template>
          <div v-else class="quiet">{{ finished ? t("queue.finished") : t("queue.read_only") }}</div>
        </div>
      </template>
    </section>
  </div>`,
  setup: () => ({ live }),
};
