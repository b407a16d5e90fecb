// A picture in a frame of another shape: whole, over a soft copy of itself. One that has just come is
// looked at for a while before the next takes its place, however fast they come.
export const HOLD_MS = 6000;

export const Shot = {
  props: { src: String },
  emits: ["gone"],
  data() {
    return { shown: this.src, since: Date.now() };
  },
  watch: {
    src() {
      this.timer ??= setTimeout(this.follow, Math.max(0, this.since + HOLD_MS - Date.now()));
    },
  },
  unmounted() {
    clearTimeout(this.timer);
  },
  methods: {
    // one whose time is over gives way; the newest is given up
    broken() {
      if (this.shown === this.src) this.$emit("gone");
      else this.follow();
    },
    follow() {
      clearTimeout(this.timer);
      this.timer = undefined;
      this.shown = this.src;
      this.since = Date.now();
    },
  },
  template: `<span class="shot"><img class="soft" :src="shown" loading="lazy" alt="" aria-hidden="true"><img :src="shown" loading="lazy" alt="" @error="broken"></span>`,
};
