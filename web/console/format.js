// Numbers and times as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const short = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const moment = new Intl.DateTimeFormat("en-GB", {
  day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit",
});

export const count = (value) => whole.format(value);
export const time = (ms) => clock.format(ms);
export const hourMinute = (ms) => short.format(ms);
export const when = (ms) => (ms === null || ms === undefined ? "–" : moment.format(ms));

/** 0.4 ms, 12 ms, 1.2 s, 3 min. */
export function duration(ms) {
  if (ms === 0) return "0 ms";
  if (ms < 10) return `${ms.toFixed(1).replace(/\.0$/, "")} ms`;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1).replace(/\.0$/, "")} s`;
  return age(ms);
}

/** 12 s, 5 min, 3 h 20 min, 2 d 4 h. */
export function age(ms) {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return hours % 24 && days < 10 ? `${days} d ${hours % 24} h` : `${days} d`;
}

export const percent = (share) => `${Math.round(share * 100)} %`;

/** The end of a long id, where ids differ. */
export const tail = (id, chars = 10) => (id.length > chars + 1 ? `…${id.slice(-chars)}` : id);
