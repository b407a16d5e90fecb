// The last events, as they are stored.
import { clockTime, events, live, Mark, nameOf, setting, start, t, word } from "haidang-live";

const SHOWN = 40;

export default {
  components: { Mark },
  created: start,
  computed: {
    ready: () => live.ready && setting.value,
    shown: () => events.value.slice(0, SHOWN),
  },
  methods: { t, word, nameOf, clockTime },
  template: `
  <section class="panel feed">
    <div class="title"><h2>{{ t("feed.title") }}</h2></div>
    <div class="body" tabindex="0" role="region" :aria-label="t('feed.title')">
      <div v-if="!ready" class="skeleton" style="height:48px"></div>
      <div v-else-if="!shown.length" class="nothing">{{ t("feed.none") }}</div>
      <div v-else class="rows">
        <div v-for="row in shown" :key="row.id" class="row" :class="{ fresh: row.fresh }">
          <Mark :kind="row.severity"/>
          <div class="two"><div>{{ nameOf("rule", row.rule, row.camera) }}<span class="faint"> · {{ word("phase", row.phase) }}</span></div>
            <div class="under">{{ nameOf("camera", row.camera) }}<template v-if="row.zone"> · {{ nameOf("zone", row.zone, row.camera) }}</template><template v-if="row.cls"> · {{ word("class", row.cls) }}</template></div></div>
          <time>{{ clockTime(row.t) }}</time>
        </div>
      </div>
    </div>
  </section>`,
};
