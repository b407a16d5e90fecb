// What a keyboard does here: shown to whoever asks, and where nothing else is to be seen.
import { t } from "./words.js";

// Whether a key is meant for a field or a dialog rather than for the page.
export function typed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return true;
  return Boolean(event.target.closest?.("input, textarea, select") || document.querySelector("dialog[open]"));
}

const QUEUE = [
  [["J", "K", "↓", "↑"], "keys.choose"], [["A"], "case.answer.acknowledged"], [["S"], "case.answer.on_scene"],
  [["F"], "case.answer.false"], [["D"], "case.answer.done"], [["N"], "keys.note"], [["Esc"], "keys.out"],
];
const EVERYWHERE = [[["1", "…", "9"], "keys.pages"], [["B"], "keys.bell"], [["?"], "keys.help"]];

export const Keys = {
  props: { all: Boolean },
  computed: {
    rows() {
      return this.all ? [...QUEUE, ...EVERYWHERE] : QUEUE;
    },
  },
  methods: { t },
  template: `<dl class="keys"><template v-for="[names, text] in rows" :key="text">
    <dt><kbd v-for="name in names" :key="name">{{ name }}</kbd></dt><dd>{{ t(text) }}</dd></template></dl>`,
};
