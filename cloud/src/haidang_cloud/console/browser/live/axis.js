// The hour below a chart of the last 60 minutes, by the centre's clocks.
import { live } from "./store.js";
import { quarters } from "./times.js";

const EDGE = 0.04; // a time so near to an end would leave the chart

export const Axis = {
  computed: {
    ticks: () => quarters(live.minute).filter(({ at }) => at > EDGE && at < 1 - EDGE),
  },
  template: `<div class="axis" aria-hidden="true"><span v-for="tick in ticks" :key="tick.text" :style="{ left: tick.at * 100 + '%' }">{{ tick.text }}</span></div>`,
};
