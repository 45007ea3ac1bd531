// Matchmaking: wait, know why, answer the ready check, and go into the match.

import { $, clockText, setText, titleOf } from "../shared/dom.js";

const EVERY_MS = 1_500;
const ENDS = {
  cancelled: "",
  declined: "Somebody was not ready, so there was no match. Look again when you like.",
  expired: "Nobody fitting came in time. Try another mode, or look again.",
  unknown: "The search has ended.",
};

const seconds = (s) => (s < 1 ? "at once" : s < 90 ? `${Math.round(s)} s` : `${Math.round(s / 60)} min`);

function estimateText(estimate) {
  if (!estimate) return "Nobody has been waiting here lately, so there is no estimate.";
  const { p50_s: usual, p90_s: most } = estimate;
  if (usual < 1 && most < 1) return "Usually at once.";
  return `Usually ${usual < 1 ? "at once" : `after ${seconds(usual)}`}, 9 of 10 within ${seconds(Math.max(1, most))}.`;
}

export class QueueScreen {
  #api; #on; #timers = []; #ticket = null; #beganMs = 0; #asked = 0; #answered = false; #untilMs = 0;

  /** `on`: `show()`, `matched(match, game, mode)`, `ended(words)`, `problem(error)`, `sound(name)`. */
  constructor({ api, player, on }) {
    this.#api = api;
    this.player = player;
    this.#on = on;
    $("queue-cancel").addEventListener("click", () => this.#cancel());
    $("ready-yes").addEventListener("click", () => this.#answer(true));
    $("ready-no").addEventListener("click", () => this.#answer(false));
    $("ready").addEventListener("cancel", (event) => { event.preventDefault(); this.#answer(false); });
  }

  /** What is waited for, for tests and for the curious. */
  get state() { return this.#ticket?.state ?? null; }

  /** Take a ticket; `party`: for all of one's party. */
  async enter(game, mode, { party = false } = {}) {
    this.#show(game, mode);
    const path = party ? "/v1/party/ticket" : "/v1/matchmaking/tickets";
    try {
      this.#take(await this.#api().ask("POST", path, { body: { game, mode, key: crypto.randomUUID() } }));
    } catch (error) {
      if (error.code === "already_queued") return this.#poll(); // taken by another page, or before a reload
      this.#end(error);
    }
  }

  /** A ticket was taken for one by somebody else: the leader of the party. */
  follow(game, mode) {
    if (this.#timers.length) return;
    this.#show(game, mode);
    this.#poll();
  }

  /** News over the socket: look at once. */
  news({ game, mode, state }) {
    if (this.#timers.length) this.#poll();
    else if (state === "waiting" || state === "ready_check") this.follow(game, mode);
  }

  /** Leave the screen without a word. */
  close() {
    this.#asked += 1;
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers = [];
    this.#ticket = null;
    $("ready").close();
  }

  #show(game, mode) {
    this.close();
    this.#beganMs = Date.now();
    this.#answered = false;
    setText($("queue-title"), "Looking for opponents");
    setText($("queue-mode"), `${titleOf(game)} · ${titleOf(mode)}`);
    setText($("queue-estimate"), "");
    setText($("queue-why"), "");
    $("queue-cancel").disabled = false;
    this.#on.show();
    $("queue-cancel").focus();
    this.#timers = [setInterval(() => this.#poll(), EVERY_MS), setInterval(() => this.#clock(), 250)];
    this.#clock();
  }

  #clock() {
    setText($("queue-time"), clockText((Date.now() - this.#beganMs) / 1000));
    const { until_ms: until } = this.#ticket ?? {};
    if (!until || !$("ready").open) return;
    const whole = Math.max(1, until - this.#untilMs);
    $("ready-left").value = Math.max(0, until - Date.now()) / whole;
  }

  async #poll() {
    const asked = ++this.#asked;
    try {
      const ticket = await this.#api().ask("GET", "/v1/matchmaking/tickets", { query: { why: true } });
      if (asked === this.#asked) this.#take(ticket);
    } catch (error) {
      // One answer that is missing says nothing; the next one will.
      const passing = error.code === "unreachable" || error.status >= 500 || error.status === 429;
      if (asked === this.#asked && !passing) this.#end(error);
    }
  }

  #take(ticket) {
    if (!this.#timers.length) return;
    const before = this.#ticket?.state;
    this.#ticket = ticket;
    const { state, game, mode, match } = ticket;
    this.#beganMs = Math.min(this.#beganMs, Date.now() - ticket.waited_ms);
    setText($("queue-mode"), `${titleOf(game)} · ${titleOf(mode)}`);
    switch (state) {
      case "waiting":
        $("ready").close();
        this.#answered = false;
        if (ticket.estimate !== null || ticket.why) setText($("queue-estimate"), estimateText(ticket.estimate));
        if (ticket.why) setText($("queue-why"), ticket.why.text);
        return;
      case "ready_check":
        if (before !== state) this.#untilMs = Date.now();
        return this.#ask(ticket, before !== state);
      case "opening":
        $("ready").close();
        setText($("queue-title"), "Opening the match…");
        $("queue-cancel").disabled = true;
        return;
      case "matched":
        this.close();
        this.#on.sound("found");
        return this.#on.matched(match, game, mode);
      default:
        this.close();
        return this.#on.ended(ENDS[state] ?? ENDS.unknown);
    }
  }

  #ask({ ready }, fresh) {
    const said = ready.includes(this.player()) || this.#answered;
    setText($("ready-text"), said ? "Waiting for the others to say so too."
      : "Are you there? Who does not answer is not waited for.");
    $("ready-yes").disabled = $("ready-no").disabled = said;
    if (!fresh) return;
    this.#on.sound("found");
    $("ready").showModal();
    $("ready-yes").focus();
  }

  async #answer(ready) {
    this.#answered = true;
    $("ready-yes").disabled = $("ready-no").disabled = true;
    try {
      this.#take(await this.#api().ask("POST", "/v1/matchmaking/tickets/ready", { body: { ready } }));
    } catch {
      this.#poll(); // too late, or not heard: the ticket says which
    }
  }

  async #cancel() {
    $("queue-cancel").disabled = true;
    try {
      this.#take(await this.#api().ask("DELETE", "/v1/matchmaking/tickets"));
    } catch (error) {
      if (error.code === "no_ticket") return this.#end(null);
      $("queue-cancel").disabled = false;
      this.#poll(); // a match may have been found in that moment
    }
  }

  #end(error) {
    this.close();
    if (error?.final || error?.status === 401) return this.#on.problem(error);
    this.#on.ended(error?.message ?? "");
  }
}
