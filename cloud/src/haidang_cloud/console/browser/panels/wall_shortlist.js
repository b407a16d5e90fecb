// The open alarms that wait, the most urgent first; all of them are a page away.
import { caseTitle, caseWhere, live, Mark, number, openCases, setting, start, t, timer, waited } from "haidang-live";

const SHOWN = 40;

export default {
  components: { Mark },
  created: start,
  computed: {
    ready: () => live.ready && setting.value,
    open: () => openCases(),
    shown() {
      return this.open.slice(0, SHOWN);
    },
  },
  methods: { t, number, timer, waited, caseTitle, caseWhere },
  template: `
  <section class="panel shortlist">
    <div class="title"><h2>{{ t("shortlist.title") }}</h2>
      <a v-if="open.length" class="quiet" href="/alarms">{{ t("shortlist.more", { n: number(open.length) }) }}</a></div>
    <div class="body" tabindex="0" role="region" :aria-label="t('shortlist.title')">
      <div v-if="!ready" class="skeleton" style="height:48px"></div>
      <div v-else-if="!open.length" class="nothing"><Mark kind="good"/>{{ t("shortlist.none") }}</div>
      <div v-else class="rows">
        <a v-for="row in shown" :key="row.id" class="row" :href="'/alarms/' + row.id">
          <Mark :kind="row.severity"/>
          <div class="two"><div>{{ caseTitle(row) }}</div><div class="under">{{ caseWhere(row) }}</div></div>
          <span class="tag" :class="row.state === 'raised' ? 'tone-bad' : ''">{{ t("case." + row.state) }}</span>
          <div class="age"><b>{{ timer(waited(row)) }}</b></div>
        </a>
      </div>
    </div>
  </section>`,
};
