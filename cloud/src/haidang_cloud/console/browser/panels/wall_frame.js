// Header, ways to the other pages, clock; what is wrong; and the log-in when a session has ended.
import { age, bell, clockTime, goOn, Keys, live, logIn, logOut, openBell, openCases, setting, start, t, toasts, today, turnBell, typed } from "haidang-live";

export default {
  components: { Keys },
  // what is said while not even the texts could be read comes with the page
  props: { ways: Array, here: String, away: String },
  data: () => ({ password: "", said: "", busy: false, helping: false, title: document.title }),
  created() {
    start();
    openBell();
  },
  mounted() {
    window.addEventListener("keydown", this.key);
  },
  unmounted() {
    window.removeEventListener("keydown", this.key);
  },
  computed: {
    centre: () => setting.value?.centre ?? "",
    me: () => setting.value?.me ?? { login: "", name: "", role: "" },
    language: () => setting.value?.language ?? document.documentElement.lang,
    open: () => (live.ready ? openCases() : []),
    worst() {
      const tones = { critical: "bad", warning: "notice", info: "info" };
      return `tone-${tones[this.open[0]?.severity] ?? "info"}`;
    },
    pulse() {
      if (!live.ready || live.stale) return { class: "waiting", text: t("frame.connecting") };
      return { class: "", text: t("frame.live") };
    },
    ring() {
      const icon = !bell.on ? "volume_off" : bell.muted ? "volume_mute" : "volume_up";
      return { icon, text: t(!bell.on ? "frame.bell_off" : bell.muted ? "frame.bell_muted" : "frame.bell_on") };
    },
    banners() {
      const found = [];
      if (live.stale) found.push({ lost: true, text: t("frame.stale", { age: age(live.now - live.offset - live.heard) }) });
      else if (live.failed) found.push({ lost: true, text: t("state.away") || this.away });
      else for (const part of ["database", "broker", "series", "ingest"])
        if (!live.well[part]) found.push({ lost: part === "database", text: t(`frame.${part}`) });
      return found;
    },
    tab() {
      return this.open.length ? `(${this.open.length}) ${this.title}` : this.title;
    },
    time: () => clockTime(live.now),
    day: () => today(live.now),
    over: () => live.over,
    toasts: () => toasts,
    bell: () => bell,
  },
  watch: {
    banners: {
      immediate: true,
      handler(found) {
        this.$nextTick(() => {
          document.documentElement.style.setProperty("--banner", `${this.$refs.banners?.offsetHeight ?? 0}px`);
          document.body.classList.toggle("stale", found.some((one) => one.lost) && live.stale);
        });
      },
    },
    over(now) {
      if (now) this.$nextTick(this.ask);
    },
    helping(now) {
      if (now) this.$nextTick(() => this.$refs.help?.showModal());
    },
    // a tab behind others still tells how much waits
    tab(now) {
      document.title = now;
    },
  },
  methods: {
    t,
    turnBell,
    speak(language) {
      document.cookie = `haidang_language=${language}; path=/; max-age=31536000; samesite=lax`;
      window.location.reload();
    },
    leave: logOut,
    key(event) {
      if (typed(event) || live.over) return;
      const way = this.ways[Number(event.key) - 1];
      if (way) window.location.assign(way.path);
      else if (event.key === "?") this.helping = true;
      else if (event.key.toLowerCase() === "b") turnBell();
      else return;
      event.preventDefault();
    },
    // a dialog that a browser lets people close is opened again while nobody is logged in
    ask() {
      if (live.over && !this.$refs.over?.open) this.$refs.over?.showModal();
    },
    async comeBack() {
      this.busy = true;
      this.said = await logIn(this.me.login, this.password);
      this.busy = false;
      this.password = "";
      if (!this.said) goOn();
    },
  },
  template: `
  <div class="frame">
    <a class="skip" href="#content">{{ t("frame.skip") }}</a>
    <header>
      <a class="brand" href="/">
        <svg viewBox="0 0 32 32" aria-hidden="true"><path d="M13 12h6l2 16H11z"/><path d="M12 8h8v4h-8z"/><path d="M16 3l4 5h-8z"/><path class="beam" d="M22 9l9-4v9zM10 9L1 5v9z"/></svg>
        <b>Hải đăng</b><span class="cut">{{ centre }}</span>
      </a>
      <nav class="ways" :aria-label="t('frame.menu')">
        <a v-for="way in ways" :key="way.key" :href="way.path" :aria-current="way.key === here ? 'page' : null">
          <i class="q-icon material-icons notranslate" aria-hidden="true">{{ way.icon }}</i>
          <span>{{ way.name }}</span>
          <span v-if="way.key === 'alarms' && open.length" class="count" :class="worst">{{ open.length > 999 ? "999+" : open.length }}</span>
        </a>
      </nav>
      <div class="standing">
        <div class="pulse" :class="pulse.class" role="status"><span>{{ pulse.text }}</span></div>
        <div class="clock">{{ time }}<small>{{ day }}</small></div>
        <button v-if="me.login" class="tool" data-act="bell" :data-rung="bell.rung" :aria-pressed="bell.on" :class="{ on: bell.on, 'tone-notice': bell.on && bell.muted }" :title="ring.text" :aria-label="ring.text" @click="turnBell"><i class="q-icon material-icons notranslate" aria-hidden="true">{{ ring.icon }}</i></button>
        <button v-if="me.login" class="tool wide" data-act="help" :title="t('keys.title')" :aria-label="t('keys.title')" @click="helping = true"><i class="q-icon material-icons notranslate" aria-hidden="true">keyboard</i></button>
        <div class="tongue" role="group" aria-label="Ngôn ngữ / Language">
          <button :aria-pressed="language === 'vi'" lang="vi" aria-label="Tiếng Việt (VI)" @click="speak('vi')">VI</button>
          <button :aria-pressed="language === 'en'" lang="en" aria-label="English (EN)" @click="speak('en')">EN</button>
        </div>
        <div class="person"><div class="name">{{ me.name }}<small>{{ me.role }}</small></div>
          <button v-if="me.login" class="tool" data-act="leave" :title="t('frame.leave')" :aria-label="t('frame.leave')" @click="leave"><i class="q-icon material-icons notranslate" aria-hidden="true">logout</i></button>
        </div>
      </div>
    </header>
    <div ref="banners" aria-live="polite">
      <div v-for="one in banners" :key="one.text" class="banner" :class="{ lost: one.lost }">{{ one.text }}</div>
    </div>
    <div class="toasts" role="status" aria-live="polite">
      <div v-for="toast in toasts" :key="toast.key" class="toast" :class="toast.tone">{{ toast.text }}</div>
    </div>
    <dialog v-if="helping" ref="help" class="overlay" aria-labelledby="help-title" @close="helping = false" @click.self="$refs.help.close()">
      <form method="dialog"><h2 id="help-title">{{ t("keys.title") }}</h2><Keys all/>
        <button class="button">{{ t("keys.close") }}</button></form>
    </dialog>
    <dialog v-if="over" ref="over" class="overlay" aria-labelledby="over-title" @cancel.prevent @close="ask">
      <form @submit.prevent="comeBack">
        <h2 id="over-title">{{ t("frame.over") }}</h2>
        <p class="quiet">{{ t("frame.over_why") }}</p>
        <label>{{ t("entrance.password") }} ({{ me.login }})
          <input v-model="password" type="password" autocomplete="current-password" required autofocus></label>
        <button class="primary" :disabled="busy">{{ t("entrance.enter") }}</button>
        <p class="quiet" role="status">{{ said }}</p>
        <a class="button" href="/login">{{ t("frame.other") }}</a>
      </form>
    </dialog>
  </div>`,
};
