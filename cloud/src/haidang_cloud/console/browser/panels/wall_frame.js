// Header, ways to the other pages, clock; what is wrong; and the log-in when a session has ended.
import { age, clockTime, goOn, live, logIn, logOut, openCases, setting, start, t, toasts, today } from "haidang-live";

export default {
  props: { ways: Array, here: String },
  data: () => ({ password: "", said: "", busy: false }),
  created: start,
  computed: {
    centre: () => setting.value?.centre ?? "",
    me: () => setting.value?.me ?? { login: "", name: "" },
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
    banners() {
      const found = [];
      if (live.stale) found.push({ lost: true, text: t("frame.stale", { age: age(live.now - live.offset - live.heard) }) });
      else if (live.failed) found.push({ lost: true, text: t("state.away") });
      else for (const part of ["database", "broker", "series", "ingest"])
        if (!live.well[part]) found.push({ lost: part === "database", text: t(`frame.${part}`) });
      return found;
    },
    time: () => clockTime(live.now),
    day: () => today(live.now),
    over: () => live.over,
    toasts: () => toasts,
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
      if (now) this.$nextTick(() => this.$refs.password?.focus());
    },
  },
  methods: {
    t,
    speak(language) {
      document.cookie = `haidang_language=${language}; path=/; max-age=31536000; samesite=lax`;
      window.location.reload();
    },
    leave: logOut,
    async comeBack() {
      this.busy = true;
      const refused = await logIn(this.me.login, this.password).catch(() => "away");
      this.busy = false;
      this.password = "";
      const words = { credentials: "entrance.wrong", throttled: "entrance.throttled" };
      this.said = refused ? t(words[refused] ?? "entrance.away") : "";
      if (!refused) goOn();
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
          <span>{{ t("way." + way.key) }}</span>
          <span v-if="way.key === 'alarms' && open.length" class="count" :class="worst">{{ open.length > 999 ? "999+" : open.length }}</span>
        </a>
      </nav>
      <div class="standing">
        <div class="pulse" :class="pulse.class" role="status"><span>{{ pulse.text }}</span></div>
        <div class="clock">{{ time }}<small>{{ day }}</small></div>
        <div class="tongue" role="group" aria-label="Ngôn ngữ / Language">
          <button :aria-pressed="language === 'vi'" lang="vi" @click="speak('vi')">VI</button>
          <button :aria-pressed="language === 'en'" lang="en" @click="speak('en')">EN</button>
        </div>
        <div class="person"><span class="name">{{ me.name }}</span>
          <button :title="t('frame.leave')" :aria-label="t('frame.leave')" @click="leave"><i class="q-icon material-icons notranslate" aria-hidden="true">logout</i></button>
        </div>
      </div>
    </header>
    <div ref="banners" aria-live="polite">
      <div v-for="one in banners" :key="one.text" class="banner" :class="{ lost: one.lost }">{{ one.text }}</div>
    </div>
    <div class="toasts" role="status" aria-live="polite">
      <div v-for="toast in toasts" :key="toast.key" class="toast" :class="toast.tone">{{ toast.text }}</div>
    </div>
    <div v-if="over" class="overlay" role="dialog" aria-modal="true" aria-labelledby="over-title">
      <form @submit.prevent="comeBack">
        <h2 id="over-title">{{ t("frame.over") }}</h2>
        <p class="quiet">{{ t("frame.over_why") }}</p>
        <label>{{ t("entrance.password") }} ({{ me.login }})
          <input ref="password" v-model="password" type="password" autocomplete="current-password" required></label>
        <button class="primary" :disabled="busy">{{ t("entrance.enter") }}</button>
        <p class="quiet" role="status">{{ said }}</p>
        <a href="/login">{{ t("frame.leave") }}</a>
      </form>
    </div>
  </div>`,
};
