// Liar's dice as a game of the page: the table, whose turn it is, the clock, and the moves.

import { $, clockText, make, setText, showList, wrap } from "../shared/dom.js";
import { FACES, WILD, bidText, die } from "./die.js";
import { beats, diceOf, leastOf } from "./rules.js";

const HURRY_MS = 5_000;
const UNIT = { title: "Outlasted", count: (score) => `${score} outlasted` };

export class DiceView {
  name = "liars_dice";
  botsCalled = 2;
  unit = UNIT;
  #tell; #send; #sound; #joined = null; #view = null; #names = new Map(); #dueMs = null; #count = 1; #face = 2;
  #asked = ""; #players = new Map();

  constructor({ tell, send, sound }) {
    this.#tell = tell;
    this.#send = send;
    this.#sound = sound;
    this.#build();
  }

  enter() {
    this.#view = this.#joined = null;
    this.#dueMs = null;
    this.#asked = "";
    this.#names = new Map();
    $("dice").hidden = false;
    $("dice").dataset.phase = "none";
    for (const id of ["dice-seats", "dice-own", "dice-middle"]) {
      $(id).replaceChildren();
      delete $(id).dataset.key;
    }
    $("dice-acts").hidden = $("dice-ready").hidden = true;
    setText($("dice-said"), "");
  }

  focus() {
    const first = [...$("dice").querySelectorAll("button")].find((each) => !each.disabled && each.offsetParent);
    first?.focus({ preventScroll: true });
  }

  joined(joined) {
    this.#joined = joined;
    for (const { seat, name, player } of joined.seats) {
      this.#names.set(seat, name);
      this.#players.set(player, seat);
    }
  }

  event({ kind, player, data }, nameOf, self) {
    switch (kind) {
      case "player_joined":
        this.#names.set(data.seat, data.name);
        this.#players.set(player, data.seat);
        if (this.#view) this.#render();
        return;
      case "round_started":
        this.#sound("roll");
        return this.#tell(`Round ${data.round}: `, `${data.dice} dice`);
      case "bid_placed":
        this.#sound("bid");
        return this.#tell("", nameOf(player), ` bids ${bidText(data.count, data.face)}${data.auto ? " (time up)" : ""}`);
      case "challenged":
        this.#sound("challenge");
        return this.#tell("", nameOf(player), " challenges ", nameOf(data.bidder),
          `: there are ${data.actual}`);
      case "eliminated":
        if (player === self) this.#sound("down");
        return this.#tell("", nameOf(player), data.forfeit ? " gave up" : " is out");
      default:
    }
  }

  frame(frame, clock = null) {
    const before = this.#view;
    const view = (this.#view = frame.view);
    // What was left when the view was made; a page that comes back sees an older one.
    const ageMs = clock?.synced ? Math.max(0, clock.at(performance.now()) - frame.serverMs) : 0;
    this.#dueMs = view.left_ms === null ? null : performance.now() + Math.max(0, view.left_ms - ageMs);
    this.#fullMs = before?.turn === view.turn && before?.phase === view.phase && before?.round === view.round
      ? Math.max(this.#fullMs, view.left_ms ?? 0) : view.left_ms ?? 0;
    this.#suggest(before);
    this.#render();
    const mine = this.#myTurn;
    if (mine && !(before?.turn === view.turn && before?.round === view.round && before?.phase === view.phase)) {
      this.#sound("turn");
      if (!document.activeElement?.closest("#chat")) $("dice-bid").focus({ preventScroll: true });
    }
    document.title = mine ? "Your turn!" : "Play";
  }

  #fullMs = 0;

  get #myTurn() {
    return this.#view?.phase === "bidding" && this.#joined?.seat >= 0 && this.#view.turn === this.#joined.seat;
  }

  stop() {
    document.title = "Play";
    $("dice-acts").hidden = $("dice-ready").hidden = true;
  }

  leave() {
    this.stop();
    $("dice").hidden = true;
  }

  lost() { /* Nothing is held down in a game of turns. */ }

  draw(nowMs) {
    const leftMs = this.#dueMs === null ? null : Math.max(0, this.#dueMs - nowMs);
    const bar = $("dice-time");
    bar.hidden = leftMs === null || this.#view?.phase === "over";
    if (bar.hidden) return;
    $("dice-bar").style.transform = `scaleX(${this.#fullMs ? Math.min(1, leftMs / this.#fullMs) : 0})`;
    bar.classList.toggle("hurry", leftMs < HURRY_MS && this.#myTurn);
    setText($("dice-left"), clockText(Math.ceil(leftMs / 1000)));
  }

  // ── moves ───────────────────────────────────────────────────────────────────────────────────

  /** A bid that may be sent as it stands. */
  #suggest(before) {
    const view = this.#view;
    if (view.phase !== "bidding") return;
    const same = JSON.stringify(before?.bid) === JSON.stringify(view.bid) && before?.round === view.round;
    if (same) return;
    const own = new Map(FACES.map((face) => [face, view.own.filter((each) => each === face).length]));
    const faces = FACES.filter((face) => leastOf(face, view) !== null);
    // The face one has most of, raised as little as possible.
    faces.sort((a, b) => leastOf(a, view) - leastOf(b, view) || own.get(b) - own.get(a));
    this.#face = faces[0] ?? 6;
    this.#count = leastOf(this.#face, view) ?? diceOf(view);
  }

  #step(by) {
    this.#count = Math.min(diceOf(this.#view), Math.max(1, this.#count + by));
    this.#renderActs();
  }

  #pick(face) {
    this.#face = face;
    if (!beats(this.#count, face, this.#view.bid)) this.#count = leastOf(face, this.#view) ?? this.#count;
    this.#renderActs();
  }

  #act(action) {
    this.#send({ action, ...(action === "bid" && { count: this.#count, face: this.#face }) });
    this.#asked = `${this.#view.round}/${JSON.stringify(this.#view.bid)}/${this.#view.phase}`;
    this.#renderActs();
  }

  // ── what is seen ────────────────────────────────────────────────────────────────────────────

  #build() {
    const press = (id, text, className, act) => {
      const made = make("button", text, className);
      made.type = "button";
      made.id = id;
      made.addEventListener("click", act);
      return made;
    };
    const section = (id, tag = "div") => {
      const made = make(tag);
      made.id = id;
      return made;
    };
    const time = section("dice-time");
    const bar = section("dice-bar", "i");
    time.append(wrap("span", "track", bar), section("dice-left", "span"));
    time.setAttribute("role", "timer");
    const faces = section("dice-faces");
    faces.setAttribute("role", "group");
    faces.setAttribute("aria-label", "Face");
    for (const face of FACES) {
      const pick = press(`dice-face-${face}`, "", "face", () => this.#pick(face));
      pick.append(die(face, "", { silent: true }));
      pick.setAttribute("aria-label", bidText(2, face).slice(2));
      faces.append(pick);
    }
    const less = press("dice-less", "−", "quiet step", () => this.#step(-1));
    const more = press("dice-more", "+", "quiet step", () => this.#step(1));
    less.setAttribute("aria-label", "One die less");
    more.setAttribute("aria-label", "One die more");
    const count = wrap("div", "count-step", less, section("dice-count", "output"), more);
    const acts = section("dice-acts");
    acts.append(count, faces, wrap("div", "row", press("dice-bid", "Bid", "primary", () => this.#act("bid")),
      press("dice-challenge", "Liar!", "danger", () => this.#act("challenge"))));
    const said = section("dice-said", "p");
    said.setAttribute("role", "status");
    const own = section("dice-own");
    own.setAttribute("role", "group");
    own.setAttribute("aria-label", "Your dice");
    const seats = section("dice-seats", "ul");
    seats.setAttribute("aria-label", "Players");
    $("dice").append(wrap("div", "felt", seats, wrap("div", "centre", section("dice-middle"), said, time)),
      wrap("div", "hand", own, acts, press("dice-ready", "I am ready", "primary", () => this.#act("ready"))));
  }

  #name(seat) { return seat === this.#joined?.seat ? "You" : this.#names.get(seat) ?? "Somebody"; }

  #render() {
    const view = this.#view;
    $("dice").dataset.phase = view.phase;
    this.#renderSeats();
    this.#renderMiddle();
    setText($("dice-said"), this.#words());
    showList($("dice-own"), [view.own, view.round, view.phase === "reveal" && view.reveal?.bid.face],
      () => view.own.map((face) => die(face, this.#counts(face))));
    this.#renderActs();
  }

  #counts(face) {
    const { phase, reveal } = this.#view;
    return phase !== "bidding" && reveal && (face === reveal.bid.face || face === WILD) ? "counts" : "";
  }

  #renderSeats() {
    const { players, turn, phase, bid, reveal } = this.#view;
    const seats = Object.entries(players).map(([seat, place]) => ({ seat: Number(seat), ...place }));
    const shown = phase === "bidding" ? null : reveal;
    showList($("dice-seats"), [seats, turn, phase, bid, reveal, this.#joined?.seat, [...this.#names]], () => seats.map(({ seat, dice, ready }) => {
      const hand = shown?.hands[seat];
      const row = wrap("div", "dice-row", ...(hand ? hand.map((face) => die(face, this.#counts(face)))
        : Array.from({ length: dice }, () => die(0, "", { silent: true }))));
      const told = phase === "lobby" ? (ready ? "ready" : "not ready yet")
        : shown?.loser === seat ? (dice === 0 ? "loses the last die" : "loses a die")
          : dice === 0 ? "out" : `${dice} ${dice === 1 ? "die" : "dice"}`;
      const last = (phase === "bidding" ? bid : shown?.bid) ?? null;
      const bubble = last?.seat === seat ? make("span", bidText(last.count, last.face), "bubble") : null;
      const item = wrap("li", "seat", make("b", this.#name(seat)), make("span", told, "muted small"), row, bubble);
      item.dataset.seat = String(seat);
      item.classList.toggle("turn", turn === seat);
      item.classList.toggle("self", seat === this.#joined?.seat);
      item.classList.toggle("out", phase !== "lobby" && dice === 0);
      item.classList.toggle("loses", shown?.loser === seat);
      if (turn === seat) item.setAttribute("aria-current", "true");
      return item;
    }));
  }

  #renderMiddle() {
    const { phase, bid, reveal } = this.#view;
    const shown = phase === "bidding" ? bid : reveal?.bid;
    showList($("dice-middle"), [shown, phase, reveal?.actual], () => {
      if (!shown) return [];
      const parts = [make("span", String(shown.count), "many"), make("span", "×", "times"), die(shown.face, "big", { silent: true })];
      if (phase !== "bidding") {
        const truth = reveal.actual >= reveal.bid.count;
        parts.push(make("span", `there are ${reveal.actual}`, truth ? "verdict good" : "verdict bad"));
      }
      return parts;
    });
  }

  #words() {
    const { phase, turn, bid, reveal, players } = this.#view;
    const count = Object.keys(players).length;
    switch (phase) {
      case "lobby":
        return count < 2 ? "Waiting for a second player" : "It begins when all are ready, or when the time is up";
      case "reveal":
      case "over": {
        if (!reveal) return "";
        const loser = this.#name(reveal.loser);
        const last = (players[reveal.loser]?.dice ?? 0) === 0 ? "the last die" : "a die";
        const verdict = reveal.actual >= reveal.bid.count ? "true" : "a lie";
        return `${bidText(reveal.bid.count, reveal.bid.face)}: ${verdict}. ${loser} ${loser === "You" ? "lose" : "loses"} ${last}`;
      }
      default: {
        const whose = this.#myTurn ? "Your turn" : `${this.#name(turn)}’s turn`;
        return bid ? `${whose}: more than ${bidText(bid.count, bid.face)}, or “Liar!”` : `${whose} to bid first`;
      }
    }
  }

  #renderActs() {
    const view = this.#view;
    const { seat } = this.#joined;
    const playing = seat >= 0 && seat in view.players;
    const asked = this.#asked === `${view.round}/${JSON.stringify(view.bid)}/${view.phase}`;
    $("dice-ready").hidden = !playing || view.phase !== "lobby";
    $("dice-ready").disabled = asked || view.players[seat]?.ready === true;
    setText($("dice-ready"), view.players[seat]?.ready ? "Waiting for the others…" : "I am ready");
    $("dice-acts").hidden = !playing || !(view.players[seat].dice > 0) || !["bidding", "reveal"].includes(view.phase);
    const mine = this.#myTurn && !asked;
    const all = diceOf(view);
    setText($("dice-count"), String(this.#count));
    $("dice-less").disabled = !mine || this.#count <= 1;
    $("dice-more").disabled = !mine || this.#count >= all;
    for (const face of FACES) {
      const pick = $(`dice-face-${face}`);
      pick.disabled = !mine || leastOf(face, view) === null;
      pick.setAttribute("aria-pressed", String(face === this.#face));
    }
    $("dice-bid").disabled = !mine || this.#count > all || !beats(this.#count, this.#face, view.bid);
    setText($("dice-bid"), `Bid ${bidText(this.#count, this.#face)}`);
    $("dice-challenge").disabled = !mine || !view.bid;
  }
}
