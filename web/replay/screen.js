// The screen on which a recorded match is watched: drawn by what draws live ones.

import { $, titleOf } from "../shared/dom.js";
import { Film, Projector } from "./film.js";

const SPEEDS = [0.25, 0.5, 1, 2, 4, 8];
const ASKED_AGAIN_MS = 1_500;
const ASKED_MAX = 12;
const SOON = new Set(["no_recording", "not_over", "busy"]);

const ENDS = {
  differs: "From here on the server’s rules play it differently.",
  damaged: "The rest of the recording is damaged.",
  cut: "The rest of the recording is not there.",
};

const wait = (ms) => new Promise((done) => { setTimeout(done, ms); });

export class ReplayScreen {
  #api; #views; #hud; #wanted = 0; #film = null; #projector = null; #players = new Map(); #shown = null;

  /** `views`: of the games that can be drawn; `leave(words)`: back to where it came from. */
  constructor({ api, views, hud, leave }) {
    this.#api = api;
    this.#views = views;
    this.#hud = hud;
    $("replay-play").addEventListener("click", () => this.toggle());
    $("replay-speed").replaceChildren(...SPEEDS.map((speed) => {
      const option = document.createElement("option");
      option.value = String(speed);
      option.textContent = `${speed}×`;
      return option;
    }));
    $("replay-speed").addEventListener("change", () => this.#speed(Number($("replay-speed").value)));
    $("replay-at").addEventListener("input", () => this.#seek(Number($("replay-at").value)));
    $("replay-back").addEventListener("click", () => this.#section(-1));
    $("replay-on").addEventListener("click", () => this.#section(1));
    $("replay-close").addEventListener("click", () => leave(""));
    document.addEventListener("keydown", (event) => this.#key(event));
    this.#leave = leave;
  }

  #leave;

  /** What is shown: for tests and for the curious. */
  get state() {
    const film = this.#film;
    if (!film) return null;
    const shown = film.frames[this.#projector.index];
    return {
      match: this.info?.match, ticks: this.info?.ticks, tick: shown?.tick ?? -1,
      loaded: film.frames.length, ended: film.ended, playing: this.#projector.playing,
      speed: this.#projector.speed, players: Object.keys(this.#view?.players ?? {}).length,
      names: [...this.#players.values()],
    };
  }

  #view = null;

  /** Fetch and play a match. It may have ended a moment ago: then its recording is on its way. */
  async open(match) {
    const wanted = ++this.#wanted;
    const gone = () => wanted !== this.#wanted;
    this.#film = null;
    this.#projector = null;
    this.#shown?.leave();
    this.#shown = null;
    this.#reset();
    this.#hud.banner("Fetching the recording…");
    try {
      for (let asked = 1; ; asked++) {
        try {
          this.info = await this.#api().replay(match);
          if (gone()) return;
          this.#film = new Film();
          this.#begin();
          await this.#api().replayFrames(match, (part) => {
            if (gone()) return false;
            this.#film.add(part);
            return true;
          });
          return;
        } catch (error) {
          if (gone()) return;
          if (!SOON.has(error.code) || asked === ASKED_MAX || this.#film?.frames.length) throw error;
          await wait(ASKED_AGAIN_MS);
          if (gone()) return;
        }
      }
    } catch (error) {
      this.#leave(error.code === "unavailable" ? "Recordings cannot be read now." : error.message);
    }
  }

  close() {
    this.#wanted += 1;
    this.#film = this.#projector = null;
    this.#shown?.leave();
    this.#shown = null;
    $("replay-view").hidden = true;
  }

  toggle() {
    const projector = this.#projector;
    if (!projector) return;
    const over = this.#film.ended !== null && projector.atMs >= this.#film.durationMs;
    if (over) this.#seekFrame(0);
    projector.playing = over || !projector.playing;
    this.#showState();
  }

  /** Once for every picture of the screen. */
  draw(nowMs) {
    const { info } = this;
    if (!this.#projector) return;
    if (this.#projector.run(nowMs) && this.#projector.playing) {
      this.#projector.playing = false;
      this.#hud.banner(ENDS[this.#film.ended] ?? null);
      this.#showState();
    }
    const tick = this.#film.frames[this.#projector.index]?.tick ?? 0;
    if (document.activeElement !== $("replay-at") || this.#projector.playing) {
      $("replay-at").value = String(tick);
    }
    $("replay-tick").textContent = `tick ${tick} of ${info.ticks}`;
    this.#shown?.draw(nowMs);
  }

  // ── inside ──────────────────────────────────────────────────────────────────────────────────

  #begin() {
    const { info } = this;
    this.#shown = this.#views[info.game] ?? null;
    document.body.dataset.game = info.game;
    $("replay-view").hidden = this.#shown !== null;
    this.#shown?.enter();
    $("replay-at").max = String(info.ticks);
    $("replay-title").textContent = `Replay · ${titleOf(info.game)} · ${titleOf(info.mode)}`;
    const other = info.versions.filter((each) => each !== info.version);
    this.#hud.banner(other.length ? "Played by another version of the rules." : null);
    this.#projector = new Projector(this.#film, {
      frame: (frame) => this.#frame(frame),
      event: (event, silent) => this.#event(event, silent),
      jump: () => this.#reset(),
    });
    this.#reset();
    this.#showState();
  }

  #reset() {
    this.#players = new Map();
    this.#hud.reset();
    this.#shown?.joined({ seat: -1, seats: [], tickRate: this.info.tick_rate, speed: this.#projector?.speed ?? 1 });
  }

  #frame(frame) {
    this.#view = frame.view;
    if (this.#shown) this.#shown.frame(frame);
    else $("replay-view").textContent = JSON.stringify(frame.view, null, 2);
  }

  #event(event, silent) {
    const { kind, player, data } = event;
    const name = (id) => this.#players.get(id) ?? "someone";
    const tell = (...parts) => { if (!silent) this.#hud.tell("", ...parts); };
    switch (kind) {
      case "player_joined":
        this.#players.set(player, data.name);
        this.#shown?.event(event, name, null);
        return tell(data.name, " joined");
      case "player_left": return tell(name(player), " left");
      case "match_started": return undefined;
      case "match_ended": {
        const first = data.standings.filter((each) => each.place === 1).map((each) => name(each.player));
        return tell("Match over", first.length ? `: ${first.join(", ")}` : "");
      }
      default:
        if (!this.#shown) return tell(kind, player ? ` (${name(player)})` : "");
        return silent ? undefined : this.#shown.event(event, name, null);
    }
  }

  #speed(speed) {
    const projector = this.#projector;
    if (!projector) return;
    projector.speed = speed;
    // Times on the screen were made for the other speed.
    if (projector.index >= 0) this.#seekFrame(projector.index);
    this.#showState();
  }

  #seek(tick) { if (this.#film) this.#seekFrame(this.#film.indexOfTick(tick)); }

  #seekFrame(index) {
    this.#hud.banner(null);
    this.#projector.seek(index, performance.now());
  }

  /** To the beginning of the section before or behind. */
  #section(step) {
    const tick = this.#film?.frames[this.#projector?.index]?.tick;
    if (tick === undefined) return;
    const starts = this.info.sections.map((each) => each.first_tick);
    const goal = step > 0 ? starts.find((each) => each > tick)
      : starts.filter((each) => each < tick - 2).at(-1);
    this.#seek(goal ?? (step > 0 ? this.info.ticks : 0));
  }

  #key(event) {
    if (document.body.dataset.screen !== "replay" || event.target.matches("select")) return;
    const action = {
      Space: () => this.toggle(),
      ArrowLeft: () => this.#section(-1),
      ArrowRight: () => this.#section(1),
    }[event.code];
    if (!action || (event.code === "Space" && event.target.matches("button"))) return;
    event.preventDefault();
    action();
  }

  #showState() {
    const { playing, speed } = this.#projector;
    $("replay-play").textContent = playing ? "Pause" : "Play";
    $("replay-speed").value = String(speed);
  }
}
