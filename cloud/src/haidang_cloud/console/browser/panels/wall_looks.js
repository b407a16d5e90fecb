// What cameras have seen last: their newest redacted pictures, those in alarm first.
import { age, ageOf, cameraOf, cameras, HOLD_MS, live, Mark, openCases, setting, Shot, start, t } from "haidang-live";

// A look is written down with a name: no more are fetched than there is room for.
const SHOWN = window.innerWidth > 720 ? 2 : 4;

export default {
  components: { Mark, Shot },
  created: start,
  data: () => ({ failed: {}, ids: [], since: 0 }),
  computed: {
    ready: () => live.ready && setting.value,
    worst() {
      const found = new Map();
      for (const row of openCases()) if (!found.has(row.camera)) found.set(row.camera, row);
      return found;
    },
    wanted() {
      return [...cameras.values()]
        .filter((row) => row.picture && !this.failed[row.picture] && cameraOf(row.id)?.picture)
        .sort((a, b) => this.worst.has(b.id) - this.worst.has(a.id) || b.picture_t - a.picture_t)
        .slice(0, SHOWN)
        .map((row) => row.id);
    },
    shown() {
      return this.ids.map((id) => cameras.get(id)).filter((row) => row?.picture && !this.failed[row.picture]);
    },
  },
  watch: {
    // as with one picture: which cameras stand here changes no faster than one can look
    wanted: {
      immediate: true,
      handler(now) {
        if (String(now) === String(this.ids)) return;
        if (now.length > this.shown.length) this.follow();
        else this.timer ??= setTimeout(this.follow, Math.max(0, this.since + HOLD_MS - Date.now()));
      },
    },
  },
  unmounted() {
    clearTimeout(this.timer);
  },
  methods: {
    follow() {
      clearTimeout(this.timer);
      this.timer = undefined;
      this.ids = this.wanted;
      this.since = Date.now();
    },
    t, age, ageOf, cameraOf,
    href(row) {
      const open = this.worst.get(row.id);
      return open ? `/alarms/${open.id}` : `/cameras/${row.id}`;
    },
  },
  template: `
  <section class="panel looks">
    <div class="title"><h2>{{ t("looks.title") }}</h2><a class="quiet" href="/cameras">{{ t("looks.all") }}</a></div>
    <div class="body">
      <div v-if="!ready" class="skeleton" style="height:100%"></div>
      <div v-else-if="!shown.length" class="nothing">{{ t("looks.none") }}</div>
      <a v-else v-for="row in shown" :key="row.id" class="look" :href="href(row)" :data-look="row.id">
        <Shot :src="'/live/cameras/' + row.id + '/pictures/' + row.picture" @gone="failed[row.picture] = true"/>
        <div class="plate"><Mark v-if="worst.has(row.id)" :kind="worst.get(row.id).severity"/><span class="cut">{{ cameraOf(row.id).name }}</span>
          <time>{{ t("age.ago", { age: age(ageOf(row.picture_t)) }) }}</time></div>
      </a>
    </div>
  </section>`,
};
