// What can be broken in a demo, and beside it the account of what became of every record.
import { age, clockTime, live, Mark, number, pressFault, readFaults, setting, start, t, word } from "haidang-live";

const LOOK_MS = 1000;
const LOST_MS = 4000; // the account is old
const KEPT = 12;
const ICONS = { link: "link_off", broker: "hub", ingest: "move_to_inbox", database: "storage", camera: "videocam_off", clock: "history_toggle_off", message: "report" };
const FIGURES = ["spooled", "stored", "waiting", "lost", "doubled", "refused"];

export default {
  components: { Mark },
  data: () => ({ account: null, faults: [], heard: 0, tried: false, lasts: "", busy: "", was: {}, story: [] }),
  created() {
    start();
    this.look();
    this.timer = setInterval(() => document.hidden || this.look(), LOOK_MS);
  },
  unmounted() {
    clearInterval(this.timer);
  },
  computed: {
    ready: () => live.ready && setting.value,
    silence() {
      return live.now - live.offset - this.heard;
    },
    away() {
      return this.tried && this.silence > LOST_MS;
    },
    refused() {
      return this.account.refused.reduce((sum, one) => sum + one.count, 0);
    },
    figures() {
      const tones = { waiting: "notice", lost: "bad", doubled: "bad" };
      return FIGURES.map((name) => {
        const n = name === "refused" ? this.refused : this.account[name];
        const quiet = { lost: "good", doubled: "good" }[name] ?? "";
        return { name, n, tone: n && tones[name] ? tones[name] : n ? "" : quiet };
      });
    },
    verdict() {
      const { lost, doubled, waiting, spooled, trouble } = this.account;
      if (lost) return { mark: "bad", text: t("faults.lost", { n: number(lost) }) };
      if (doubled) return { mark: "bad", text: t("faults.doubled", { n: number(doubled) }) };
      if (!spooled) return { mark: "faint", text: t("faults.opening") };
      return { mark: waiting || trouble ? "notice" : "good", text: t("faults.well") };
    },
    also() {
      const { lost, waiting, stored, spooled, why } = this.account;
      if (lost && why.length) return t("faults.lost_why", { why: why.map((one) => word("gap", one)).join(", ") });
      if (waiting) return t("faults.well_waiting", { n: number(waiting) });
      return spooled ? t("faults.well_all", { n: number(stored) }) : "";
    },
    trouble() {
      return t(`faults.trouble.${this.account.trouble}`) || this.account.trouble;
    },
    shares() {
      const { stored, waiting, lost } = this.account;
      const whole = Math.max(1, stored + waiting + lost);
      return [["good", stored], ["notice", waiting], ["bad", lost]].map(([tone, n]) => ({ tone, width: `${(n / whole) * 100}%` }));
    },
    // whoever breaks something is noted first, which takes the database
    locked() {
      return this.faults.some((fault) => fault.name === "database" && fault.left_s > 0);
    },
  },
  methods: {
    t, number, age, clockTime,
    icon: (name) => ICONS[name] ?? "bolt",
    seconds: (fault) => Math.ceil(fault.left_s),
    lasting(fault) {
      return fault.for_s ? Number(this.lasts) || fault.for_s : 0;
    },
    reason: (code) => t(`faults.reason.${code}`) || code,
    async look() {
      const told = await readFaults();
      this.tried = true;
      if (!told) return;
      this.heard = Date.now();
      this.account = told.account;
      this.follow(told.faults);
      this.faults = told.faults;
    },
    // what began and what ended since the last look, whoever pressed it
    follow(faults) {
      for (const fault of faults) {
        const before = this.was[fault.name], on = fault.left_s > 0;
        if (on && !before) this.was[fault.name] = { most: 0, whole: fault.left_s };
        if (on) this.was[fault.name].most = Math.max(this.was[fault.name].most, this.account.waiting);
        if (on && !before) this.tell(fault.name, "begun");
        if (!on && before) {
          this.tell(fault.name, "over", before.most);
          delete this.was[fault.name];
        }
      }
    },
    tell(name, kind, most = 0) {
      this.story.unshift({ key: `${live.now}${name}${kind}`, at: live.now, name, kind, most });
      this.story.splice(KEPT);
    },
    async press(fault) {
      this.busy = fault.name;
      const done = await pressFault(fault.name, fault.for_s ? Number(this.lasts) : 0);
      if (done && !fault.for_s) this.tell(fault.name, "sent");
      this.busy = "";
      await this.look();
    },
    past(fault) {
      return this.story.find((one) => one.name === fault.name && one.kind !== "begun");
    },
    outcome(told) {
      if (told.kind === "sent") return t("faults.sent");
      return told.most ? t("faults.over_most", { n: number(told.most) }) : t("faults.over");
    },
    share(fault) {
      return `${Math.min(100, (fault.left_s / (this.was[fault.name]?.whole || 1)) * 100)}%`;
    },
  },
  template: `
  <div v-if="!ready || !tried" class="faults"><div class="panel"><div class="body"><div v-for="i in 3" class="skeleton" style="height:40px;margin-top:12px"></div></div></div></div>
  <div v-else-if="!account" class="faults"><section class="panel" id="content"><div class="nothing"><Mark kind="notice"/>{{ t("faults.away") }}<small>{{ t("faults.away_why") }}</small></div></section></div>
  <div v-else class="faults" id="content">
    <section class="panel account" :class="{ old: away }" :aria-label="t('faults.account')">
      <div v-if="away" class="banner lost" role="alert">{{ t("faults.old", { age: age(silence) }) }}</div>
      <div v-else-if="account.trouble" class="banner" role="alert">{{ t("faults.trouble", { why: trouble }) }}</div>
      <div class="says" role="status"><Mark :kind="verdict.mark"/><div><h2 data-verdict>{{ verdict.text }}</h2><p>{{ also }}</p></div></div>
      <dl class="figures"><div v-for="one in figures" :key="one.name" :data-figure="one.name"><dt>{{ t("faults.figure." + one.name) }}</dt><dd :class="one.tone && 'tone-' + one.tone">{{ number(one.n) }}</dd></div></dl>
      <div class="shares" aria-hidden="true"><i v-for="one in shares" :key="one.tone" :class="one.tone" :style="{ width: one.width }"></i></div>
      <p class="quiet">{{ t("faults.about") }}</p>
    </section>
    <div class="filterline"><h2 class="grow">{{ t("faults.title") }}</h2>
      <label>{{ t("faults.lasts") }}<select v-model="lasts" name="lasts"><option value="">{{ t("faults.lasts_own") }}</option><option v-for="s in [5, 15, 60]" :key="s" :value="s">{{ t("age.s", { n: s }) }}</option></select></label></div>
    <div class="choices">
      <section v-for="fault in faults" :key="fault.name" class="panel choice" :class="{ on: fault.left_s > 0 }" :data-fault="fault.name" :data-on="fault.left_s > 0">
        <div class="head"><i class="q-icon material-icons notranslate" aria-hidden="true">{{ icon(fault.name) }}</i><h3>{{ t("fault." + fault.name) }}</h3></div>
        <p>{{ t("fault." + fault.name + ".does") }}</p>
        <p class="then"><b>{{ t("faults.then") }}</b> {{ t("fault." + fault.name + ".then") }}</p>
        <div class="foot">
          <p class="quiet past"><template v-if="past(fault)">{{ outcome(past(fault)) }} · {{ clockTime(past(fault).at) }}</template><template v-else-if="locked && fault.left_s === 0">{{ t("faults.locked") }}</template></p>
          <div v-if="fault.left_s > 0" class="going" role="timer"><span>{{ t("faults.left", { n: seconds(fault) }) }}</span><i :style="{ width: share(fault) }"></i></div>
          <button v-else class="button" :name="fault.name" :disabled="away || locked || !!busy" @click="press(fault)">{{ busy === fault.name ? t("queue.wait") : t("fault." + fault.name + ".act") }}<small v-if="lasting(fault)">{{ t("age.s", { n: lasting(fault) }) }}</small></button>
        </div>
      </section>
      <section class="panel choice told"><div class="head"><i class="q-icon material-icons notranslate" aria-hidden="true">rule</i><h3>{{ t("faults.refused") }}</h3></div>
        <p v-if="!account.refused.length" class="quiet">{{ t("faults.refused_none") }}</p>
        <div v-for="one in account.refused" :key="one.reason" class="one" :data-refused="one.reason"><div><b>{{ reason(one.reason) }}</b><span class="tag">{{ number(one.count) }}</span></div><p class="mono"><span class="quiet">{{ t("faults.example") }}</span> <span lang="en">{{ one.example }}</span></p></div>
        <div class="head" style="margin-top:8px"><i class="q-icon material-icons notranslate" aria-hidden="true">schedule</i><h3>{{ t("faults.story") }}</h3></div>
        <p v-if="!story.length" class="quiet">{{ t("faults.story_none") }}</p>
        <ol v-else class="story" tabindex="0" :aria-label="t('faults.story')"><li v-for="one in story" :key="one.key"><time>{{ clockTime(one.at) }}</time><span>{{ t("fault." + one.name) }} <span class="faint">· {{ t("faults." + one.kind) }}</span></span></li></ol>
      </section>
    </div>
  </div>`,
};
