// Which part of what a camera sees a picture shows, among its zones.
import { isWhole } from "./polygon.js";
import { cameraOf, t } from "./words.js";

const MOST = 0.5;

export const Inset = {
  props: { camera: String, zone: String, crop: Array },
  computed: {
    // what shows nearly all needs no word about where
    it() {
      const [x0, y0, x1, y1] = this.crop;
      return (x1 - x0) * (y1 - y0) < MOST ? cameraOf(this.camera) : null;
    },
    frame() {
      const [x0, y0, x1, y1] = this.crop;
      return { x: x0 * 160, y: y0 * 90, width: (x1 - x0) * 160, height: (y1 - y0) * 90 };
    },
  },
  methods: {
    t, isWhole,
    path: (points) => points.map(([x, y]) => `${x * 160},${y * 90}`).join(" "),
  },
  template: `<svg v-if="it" class="inset" viewBox="0 0 160 90" role="img" :aria-label="t('queue.inset')"><title>{{ t("queue.inset") }}</title>
    <polygon v-for="one in it.zones" :key="one.id" :class="{ hot: one.id === zone, whole: isWhole(one.polygon) }" :points="path(one.polygon)"/>
    <polyline v-for="one in it.lines" :key="one.id" :points="path(one.points)"/><rect v-bind="frame"/></svg>`,
};
