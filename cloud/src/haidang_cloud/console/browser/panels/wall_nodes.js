// Nodes: what waits there, their clocks, heat, versions, and their last words.
import { age, ageOf, live, Mark, nodeReason, nodes, nodeState, number, placeLine, setting, start, t, cameraState, version } from "haidang-live";

export default {
  components: { Mark },
  created: start,
  computed: {
    ready: () => live.ready && setting.value,
    all() {
      const rows = setting.value.nodes.map((node) => this.look(node));
      return rows.sort((a, b) => a.state.good - b.state.good || b.row.spool_depth - a.row.spool_depth || (a.node.id < b.node.id ? -1 : 1));
    },
  },
  methods: {
    t, number, age, ageOf, placeLine,
    look(node) {
      const row = { spool_depth: 0, oldest_s: 0, synced: true, skew_s: 0, ...nodes.get(node.id) };
      const mine = setting.value.cameras.filter((camera) => camera.node === node.id);
      const state = nodeState(node.id), runs = version(node.id);
      const mark = state.good && runs.refused ? "notice" : state.tone;
      return { node, row, state, mark, runs, why: nodeReason(node.id), cameras: mine.length, good: mine.filter((c) => cameraState(c.id).good).length };
    },
    waiting: (row) => (row.oldest_s >= 600 ? "tone-bad" : row.oldest_s >= 60 ? "tone-notice" : ""),
    heat: (c) => (c >= 80 ? "tone-bad" : c >= 70 ? "tone-notice" : ""),
  },
  template: `
  <div v-if="!ready" class="panel"><div class="body"><div v-for="i in 5" class="skeleton" style="height:40px;margin-top:12px"></div></div></div>
  <div v-else-if="!all.length" class="nothing">{{ t("nodes.none") }}</div>
  <section v-else class="panel" id="content"><div class="body" style="padding:0 8px" tabindex="0" role="region" :aria-label="t('way.nodes')">
    <table class="table folding">
      <thead><tr><th>{{ t("nodes.node") }}</th><th>{{ t("nodes.state") }}</th><th class="number">{{ t("nodes.cameras") }}</th><th class="number">{{ t("nodes.spool") }}</th><th class="number">{{ t("nodes.oldest") }}</th><th>{{ t("nodes.clock") }}</th><th class="number">{{ t("nodes.temperature") }}</th><th>{{ t("nodes.version") }}</th><th>{{ t("nodes.reason") }}</th></tr></thead>
      <tbody><tr v-for="one in all" :key="one.node.id" :data-node="one.node.id" :data-state="one.state.state">
        <td><span class="mono">{{ one.node.id }}</span><small>{{ placeLine(one.node.place) }}</small></td>
        <td :data-label="t('nodes.state')"><div><span class="state"><Mark :kind="one.mark"/>{{ t("nodes." + one.state.state) }}</span><small v-if="one.row.at">{{ t("age.ago", { age: age(ageOf(one.row.at)) }) }}</small></div></td>
        <td class="number" :data-label="t('nodes.cameras')">{{ one.good }}/{{ one.cameras }}</td>
        <td class="number" :data-label="t('nodes.spool')"><div>{{ one.row.at ? number(one.row.spool_depth) : "—" }}<small v-if="one.row.dropped" class="tone-bad">{{ t("nodes.dropped", { n: number(one.row.dropped) }) }}</small></div></td>
        <td class="number" :class="waiting(one.row)" :data-label="t('nodes.oldest')">{{ one.row.at ? age(one.row.oldest_s * 1000) : "—" }}</td>
        <td :data-label="t('nodes.clock')"><div v-if="one.row.at"><span class="state" :class="one.row.synced === false ? 'tone-notice' : ''">{{ one.row.synced === false ? t("nodes.clock_bad") : t("nodes.clock_good") }}</span><small v-if="Math.abs(one.row.skew_s) >= 2">{{ t("nodes.skew", { n: number(one.row.skew_s) }) }}</small></div><template v-else>—</template></td>
        <td class="number" :class="heat(one.row.temperature_c)" :data-label="t('nodes.temperature')"><div>{{ one.row.temperature_c == null ? "—" : number(one.row.temperature_c) + " °C" }}<small v-if="one.row.throttled" class="tone-bad">{{ t("nodes.throttled") }}</small></div></td>
        <td :data-label="t('nodes.version')"><div>{{ one.row.agent || "—" }}<small v-if="one.runs.text" :class="one.runs.tone" data-runs>{{ one.runs.text }}</small><small v-for="(sha, model) in one.row.models ?? {}" :key="model" class="cut">{{ model }}</small></div></td>
        <td :data-label="t('nodes.reason')"><div style="max-width:320px">{{ one.why || "—" }}</div></td>
      </tr></tbody>
    </table></div></section>`,
};
