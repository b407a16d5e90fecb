// A severity or a state has a shape besides its colour.
const SHAPES = {
  critical: "M8 0l8 8-8 8-8-8z",
  warning: "M8 1l8 14H0z",
  info: "M8 0a8 8 0 110 16A8 8 0 018 0z",
  good: "M8 0a8 8 0 110 16A8 8 0 018 0zM6.8 11.8l5.4-6.2-1.2-1-4.2 4.9-2.1-2-1.1 1.1z",
  bad: "M1 3l2-2 5 5 5-5 2 2-5 5 5 5-2 2-5-5-5 5-2-2 5-5z",
  notice: "M8 1l8 14H0z",
  faint: "M8 0a8 8 0 110 16A8 8 0 018 0zm0 3a5 5 0 100 10A5 5 0 008 3z",
};
const TONES = { critical: "bad", warning: "notice", info: "info" };

export const Mark = {
  props: { kind: { type: String, required: true } },
  computed: {
    shape() {
      return SHAPES[this.kind] ?? SHAPES.faint;
    },
    tone() {
      return `tone-${TONES[this.kind] ?? this.kind}`;
    },
  },
  template: `<svg class="mark" :class="tone" viewBox="0 0 16 16" aria-hidden="true">
    <path fill-rule="evenodd" :d="shape"/></svg>`,
};
