// A match as the page shows it: the connection, what is heard, and the way in and out.
//
//   GameClient ──► Match ──► the view of its game (arena/view.js, dice/view.js)
//                     └────► Hud, Talk: what all games have

import { GameClient } from "../sdk/index.js";
import { $, titleOf } from "../shared/dom.js";
import { Talk } from "./talk.js";

const NOT_READY = {
  server_full: "The server is full.",
  draining: "The server is being replaced.",
  starting: "The server is starting.",
};
const GONE = {
  gone: "The match is over.",
  over: "The match is over.",
  lost: "The server has lost the match.",
  kicked: "An operator removed you from the match.",
  game_error: "An error ended the match.",
};
const SORRY = { game_error: "An error ended this match.", abandoned: "Everyone left." };

export class Match {
  #config; #api; #hud; #views; #on; #sound; #modeOf; #players = new Map(); #talk;

  /** `views`: by the game's name; `modeOf(game, mode)`: what the server tells of it; `on`: `show()`, `lobby(notice)`, `signedOut(words)`,
   * `notification(news)`, `matchmaking(news)`. */
  constructor({ config, api, hud, views, sound, modeOf, on }) {
    this.#config = config;
    this.#api = api;
    this.#hud = hud;
    this.#views = views;
    this.#sound = sound;
    this.#on = on;
    this.#modeOf = modeOf;
    this.client = null;
    this.#talk = new Talk({
      client: () => this.client, tell: (...parts) => hud.tell(...parts), done: () => this.view?.focus(),
    });
    this.#forget({});
    $("retry").addEventListener("click", () => this.client?.retryNow());
    $("code-shown").addEventListener("click", () => this.#copyLink());
  }

  get playing() { return document.body.dataset.screen === "game"; }

  /** Connect, so that news come and matches begin at once. */
  connect() {
    if (!this.client) {
      const { ws_url: url } = this.#config();
      this.client = new GameClient({ url, token: (fresh) => this.#api().token(fresh) });
      this.#listen(this.client);
    }
    this.client.connect();
  }

  close() {
    const { client } = this;
    this.client = null;
    client?.close();
  }

  /** Take a seat in any match of a mode. */
  play(game, mode) {
    this.#enter({ game, mode });
    this.client.join({ game, mode });
    this.#hurry();
  }

  /** Take a seat in one match. `code`: by which others come into it; `found`: by matchmaking. */
  join(match, { game = "", mode = "", code = "", found = false } = {}) {
    this.#enter({ game, mode, code, found });
    this.client.join({ match });
    this.#hurry();
  }

  /** See a match of others as it is played. */
  spectate(match) {
    this.#enter({});
    this.client.watch(match);
    this.#hurry();
  }

  /** Give the seat up; the screen is left. */
  leave() {
    $("over").close();
    this.view?.leave();
    this.view = null;
    this.client?.leave();
    this.seated = null;
  }

  /** What to play again, and whether by matchmaking. */
  get wish() {
    const { game = this.wanted.game, mode = this.wanted.mode } = this.seated ?? {};
    return { game, mode, found: this.wanted.found };
  }

  /** The name of a player of the match, undefined of another. */
  nameOf(player) { return this.#players.get(player); }

  // ── inside ──────────────────────────────────────────────────────────────────────────────────

  #forget(wanted) {
    this.wanted = wanted;
    this.seated = null;
    this.ended = null; // standings, once the match is over
  }

  #enter(wanted) {
    this.#forget(wanted);
    this.#hud.reset();
    $("over").close();
    $("code-shown").hidden = $("bots").hidden = $("watching").hidden = true;
    this.#on.show();
    this.#use(wanted.game);
    this.connect();
    this.#hud.banner("Joining…");
  }

  /** Who has chosen something does not wait for the next attempt to connect. */
  #hurry() { if (!this.client.connected) this.client.retryNow(); }

  #use(game) {
    const view = this.#views[game] ?? null;
    if (view === this.view && view?.entered === this.wanted) return;
    this.view?.leave();
    this.view = view;
    document.body.dataset.game = game;
    if (!view) return;
    view.entered = this.wanted;
    view.enter();
  }

  #listen(to) {
    const on = (type, act) => to.on(type, (detail) => { if (to === this.client) act(detail); });
    on("status", (status) => this.#status(status));
    on("joined", (joined) => this.#joined(joined));
    on("frame", (frame) => this.view?.frame(frame, to.clock));
    on("event", (event) => this.#event(event));
    on("left", (left) => this.#left(left));
    on("paused", ({ reason }) => {
      this.#talk.stands(true);
      this.#hud.banner(reason.startsWith("the players") ? "Paused by the players" : "The match stands still for a moment…");
    });
    on("resumed", () => { this.#talk.stands(false); this.#hud.banner(null); });
    on("said", (line) => this.#talk.said(line));
    on("voting", (vote) => this.#talk.voting(vote));
    on("rematch", ({ match }) => this.join(match, { ...this.wanted, code: "" }));
    on("error", (error) => this.#error(error));
    on("notification", (news) => this.#on.notification(news));
    on("matchmaking", (news) => this.#on.matchmaking(news));
  }

  #error({ code, message }) {
    console.info("server:", code, message);
    this.#talk.refused({ code, message });
    if (code === "maintenance" && this.playing) {
      this.#hud.banner(`${message} (You will join as soon as it is over.)`, { retry: true });
    }
  }

  async #status({ state, attempt, reason }) {
    if (state === "waiting") {
      this.view?.lost();
      const again = { retry: attempt > 1 };
      this.#hud.banner("Connection lost – coming back…", again);
      if (attempt > 1) {
        const why = await this.#api().notReady().catch((error) => error.message);
        const words = NOT_READY[why] ?? why;
        if (this.client && !this.client.connected) this.#hud.banner(words ? `${words} Trying again…` : "Connecting…", again);
      }
    } else if (state === "open" && !this.playing) {
      this.#hud.banner(null);
    } else if (state === "closed" && reason !== "closed") {
      this.client = null;
      if (!this.#api().signedIn) return this.#on.signedOut("The session has ended; log in again.");
      this.#on.lobby(`The connection was closed: ${reason}.`);
    }
  }

  #joined(joined) {
    const same = this.seated?.match === joined.match && this.seated?.seat === joined.seat;
    this.seated = joined;
    this.wanted.mode ||= joined.mode;
    if (!same) this.#players = new Map();
    for (const { player, name } of joined.seats) this.#players.set(player, name);
    this.#use(joined.game);
    if (!this.view) return this.#on.lobby(`This page cannot show ${titleOf(joined.game)}.`);
    this.#talk.joined(joined, this.#modeOf(joined.game, joined.mode));
    this.view.joined(joined);
    this.#hud.banner(null);
    const watching = joined.seat < 0;
    $("watching").hidden = !watching;
    $("bots").hidden = watching || !this.#config().dev;
    $("bots").textContent = `Call ${this.view.botsCalled} bots`;
    $("code-shown").hidden = !this.wanted.code;
    $("code-shown").textContent = `Code ${this.wanted.code ?? ""}`;
    $("code-shown").title = "Copy a link that leads here";
  }

  async #copyLink() {
    const link = `${location.origin}${location.pathname}#code=${this.wanted.code}`;
    const done = await navigator.clipboard?.writeText(link).then(() => true, () => false);
    this.#hud.tell("", done ? "Copied" : "The link", done ? ": a link that leads here" : ` is ${link}`);
    this.view?.focus();
  }

  #named = (player) => this.nameOf(player) ?? "someone";

  #event(event) {
    const { kind, player, data } = event;
    if (kind === "player_joined") {
      this.#players.set(player, data.name);
      this.#hud.tell("", data.name, " joined");
    } else if (kind === "player_left") this.#hud.tell("", this.#named(player), " left");
    if (kind === "match_ended") return this.#finish(data.standings, data.reason);
    this.view?.event(event, this.#named, this.client.welcome?.player);
  }

  #finish(standings, reason) {
    this.ended = standings.map((each) => ({ ...each, name: this.#named(each.player) }));
    this.view?.stop();
    const self = this.client?.welcome?.player;
    const mine = this.ended.find((each) => each.player === self);
    if (mine) this.#sound(mine.place === 1 ? "won" : "lost");
    const unit = this.view?.unit ?? { title: "Score", count: String };
    this.#hud.over(this.ended, self, { reason: SORRY[reason], unit });
  }

  #left({ reason, error }) {
    this.view?.stop();
    if (this.ended || !this.playing) return;
    if (reason === "ended") return this.#finish([], "finished");
    if (reason === "left") return;
    const told = error?.code === "maintenance" ? error.message : GONE[reason] ?? error?.message;
    this.#on.lobby(told ?? "The match cannot be joined.");
  }
}
