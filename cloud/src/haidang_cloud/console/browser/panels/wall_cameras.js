// A grid of cameras: the last redacted picture, state and why, counts.
import { age, ageOf, cameras, cameraState, cameraWord, events, live, Mark, minutes, number, openCases, placeBrief, placeLine, plain, setting, SEVERITIES, Shot, start, t } from "haidang-live";

export default {
  components: { Mark, Shot },
  created: start,
  data: () => ({ text: new URLSearchParams(window.location.search).get("find") ?? "", show: "", failed: {} }),
  computed: {
    ready: () => live.ready && setting.value,
    open() {
      const found = {};
      // the first of a camera is its most urgent
      for (const row of openCases()) (found[row.camera] ??= { count: 0, severity: row.severity }).count += 1;
      return found;
    },
    hour() {
      const found = {};
      for (const row of minutes.values())
        for (const [key, n] of Object.entries(row.begun ?? {})) {
          const camera = key.slice(0, key.indexOf("/"));
          found[camera] = (found[camera] ?? 0) + n;
        }
      return found;
    },
    all() {
      const cards = setting.value.cameras.map((camera) => this.card(camera));
      // what needs somebody comes first
      const rank = (card) => (card.open ? SEVERITIES.indexOf(card.open.severity) : SEVERITIES.length);
      return cards.sort((a, b) => rank(a) - rank(b) || a.state.good - b.state.good || (a.camera.name < b.camera.name ? -1 : 1));
    },
    shown() {
      const wanted = plain(this.text.trim());
      return this.all.filter((card) =>
        (!this.show || (this.show === "good") === card.state.good) &&
        (!wanted || plain(`${card.camera.name} ${placeLine(card.camera.place)}`).includes(wanted)));
    },
    tone: () => ({ critical: "tone-bad", warning: "tone-notice", info: "tone-info" }),
    good() {
      return this.all.filter((card) => card.state.good).length;
    },
  },
  methods: {
    t, number, age, ageOf,
    card(camera) {
      const row = cameras.get(camera.id), state = cameraState(camera.id);
      const why = state.state === "silent" ? t("cameras.silent_why", { age: age(state.since) }) : state.why;
      const picture = camera.picture && row?.picture && !this.failed[row.picture]
        ? `/live/cameras/${camera.id}/pictures/${row.picture}` : "";
      return { camera, row, state, why, picture, name: cameraWord(state.state),
               where: placeBrief(camera.place, camera.id), open: this.open[camera.id], hour: this.hour[camera.id] ?? 0 };
    },
    missing(card) {
      return !card.camera.picture ? t("cameras.hidden") : t("cameras.no_picture");
    },
  },
  template: `
  <div v-if="!ready" class="grid"><div v-for="i in 6" class="card"><div class="sight skeleton"></div><div class="text"><div class="skeleton"></div></div></div></div>
  <div v-else-if="!all.length" class="nothing">{{ t("cameras.none") }}</div>
  <div v-else id="content">
    <div class="filterline">
      <input v-model="text" type="search" :placeholder="t('cameras.search')" :aria-label="t('cameras.search')">
      <div class="chips">
        <button :aria-pressed="!show" @click="show = ''">{{ t("cameras.all") }} {{ number(all.length) }}</button>
        <button :aria-pressed="show === 'good'" @click="show = 'good'"><Mark kind="good"/>{{ t("cameras.good") }} {{ number(good) }}</button>
        <button :aria-pressed="show === 'bad'" @click="show = 'bad'"><Mark kind="bad"/>{{ t("cameras.bad") }} {{ number(all.length - good) }}</button>
      </div>
    </div>
    <div v-if="!shown.length" class="nothing">{{ t("cameras.no_match") }}<button class="button" @click="text = show = ''">{{ t("cameras.every") }}</button></div>
    <div class="grid">
      <a v-for="card in shown" :key="card.camera.id" class="card" :href="'/cameras/' + card.camera.id" :data-camera="card.camera.id" :data-state="card.state.state">
        <div class="sight">
          <Shot v-if="card.picture" :src="card.picture" @gone="failed[card.row.picture] = true"/>
          <div v-else class="nothing"><i class="q-icon material-icons notranslate" aria-hidden="true">{{ card.state.good ? "image" : "videocam_off" }}</i>{{ missing(card) }}</div>
          <div class="over">
            <span class="tag" :class="'tone-' + card.state.tone"><Mark :kind="card.state.tone"/>{{ card.name }}</span>
            <span v-if="card.open" class="tag" :class="tone[card.open.severity]"><Mark :kind="card.open.severity"/>{{ t("cameras.open", { n: number(card.open.count) }) }}</span>
          </div>
        </div>
        <div class="text">
          <h2>{{ card.camera.name }}</h2><div class="quiet cut">{{ card.where }}</div>
          <div v-if="card.why" class="quiet cut tone-notice" :title="card.why">{{ card.why }}</div>
          <div class="counts"><span>{{ t("cameras.hour", { n: number(card.hour) }) }}</span>
            <span v-if="card.row && card.row.fps">{{ number(card.row.fps) }} fps</span>
            <span v-if="card.picture">{{ t("cameras.picture_age", { age: age(ageOf(card.row.picture_t)) }) }}</span></div>
        </div>
      </a>
    </div>
  </div>`,
};
