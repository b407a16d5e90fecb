// What was last seen of a camera's view: its newest pictures where each was taken, the older ones
// dimmed, for most pictures show a part only.
import { placed } from "./judge.js";

export const Pieces = {
  props: { camera: String, newest: String, crop: Array, older: Array, name: String },
  emits: ["gone"],
  computed: {
    below() {
      return this.older.filter((one) => one.record !== this.newest).reverse();
    },
  },
  methods: {
    placed,
    address(record) {
      return `/live/cameras/${this.camera}/pictures/${record}`;
    },
  },
  template: `<img v-for="one in below" :key="one.record" class="older" :src="address(one.record)" alt="" draggable="false" :style="placed(one.crop)" @error="$event.target.hidden = true">
    <img :key="newest" :src="address(newest)" :alt="name" draggable="false" :style="placed(crop)" @error="$emit('gone')">`,
};
