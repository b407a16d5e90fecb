// A picture in a frame of another shape: whole, over a soft copy of itself.
export const Shot = {
  props: { src: String },
  emits: ["gone"],
  template: `<span class="shot"><img class="soft" :src="src" loading="lazy" alt="" aria-hidden="true"><img :src="src" loading="lazy" alt="" @error="$emit('gone')"></span>`,
};
