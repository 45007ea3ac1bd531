// The lobby: modes to play at once or by matchmaking, open matches, one's own, and private ones.

import { $, ago, button, make, option, segments, setText, showList, titleOf, wrap } from "../shared/dom.js";
import { CreateDialog } from "./create.js";

const EVERY_MS = 3_000;
const TYPED_MS = 250;
const HIDDEN_MODES = new Set(["bench"]);
const SHOWN_MAX = 50;

export class Lobby {
  #api; #on; #playable; #timer = 0; #asked = 0; #games = []; #queues = []; #game = "";

  /**
   * `playable`: the games that this page can show. `on`: what players choose: `play(game, mode)`,
   * `find(game, mode)`, `join(match, code)`, `watch(match)`, `problem(error)`.
   */
  constructor({ api, playable, on }) {
    this.#api = api;
    this.#playable = playable;
    this.#on = on;
    this.#game = playable[0];
    this.creating = new CreateDialog({ api, created: (made) => on.join(made.id, made) });
    $("create-button").addEventListener("click", () => this.creating.open(this.#chosen()));
    $("code-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.joinByCode($("code").value, $("code-password").value);
    });
    $("filter").addEventListener("submit", (event) => event.preventDefault());
    $("filter").addEventListener("input", () => this.#again(TYPED_MS));
  }

  /** The modes of a game, by name, as the server has told them. */
  modesOf(game) {
    const found = this.#games.find((each) => each.name === game);
    return (found?.modes ?? []).filter((each) => !HIDDEN_MODES.has(each.name));
  }

  get queues() { return this.#queues.filter(({ game }) => this.#playable.includes(game)); }

  get games() { return this.#games.map(({ name }) => name); }

  /** Whether matchmaking has a queue for a mode. */
  queueOf(game, mode) { return this.#queues.find((each) => each.game === game && each.mode === mode); }

  start() {
    clearTimeout(this.#timer);
    return this.#refresh();
  }

  stop() {
    this.#asked += 1;
    clearTimeout(this.#timer);
  }

  notice(text) { $("lobby-notice").textContent = text; }

  /** Enter a private match. */
  async joinByCode(code, password = "") {
    const letters = code.replace(/[^a-z0-9]/gi, "");
    $("code").value = code;
    $("code-problem").textContent = letters.length === 6 ? "" : "A code has six letters or digits.";
    if (letters.length !== 6) return $("code").focus();
    try {
      const body = { code: letters, ...(password && { password }) };
      const { match } = await this.#api().ask("POST", "/v1/matches/join-by-code", { body });
      $("code").value = $("code-password").value = "";
      this.#on.join(match, { code: letters.toUpperCase() });
    } catch (error) {
      if (error.final || error.status === 401) return this.#on.problem(error);
      $("code-problem").textContent = error.message;
      $("code").select();
    }
  }

  // ── what is there ───────────────────────────────────────────────────────────────────────────

  #again(inMs = EVERY_MS) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#refresh(), inMs);
  }

  async #refresh() {
    const asked = ++this.#asked;
    try {
      const [games, queues, all, shown] = await this.#look();
      if (asked !== this.#asked) return;
      this.#games = games.filter(({ name }) => this.#playable.includes(name));
      this.#queues = queues;
      if (!this.#chosen()) this.#game = this.#games[0]?.name ?? "";
      if (!this.#chosen()) this.notice("This server offers no game that this page can show.");
      this.#render(all, shown);
    } catch (error) {
      if (asked !== this.#asked) return;
      if (error.final || error.status === 401) return this.#on.problem(error);
      this.notice(error.message);
    }
    this.#again();
  }

  async #look() {
    const api = this.#api();
    const game = this.#game;
    const query = {
      game, limit: SHOWN_MAX, mode: $("filter-mode").value, text: $("filter-text").value.trim(),
      seats: $("filter-seats").checked ? 1 : "", order: $("filter-order").value,
    };
    const filtered = query.mode || query.text || query.seats || query.order !== "newest";
    const all = api.ask("GET", "/v1/matches", { query: { game, limit: 500 } });
    return Promise.all([
      api.games(),
      api.ask("GET", "/v1/matchmaking/queues").then((told) => told.queues),
      all.then((told) => told.matches),
      filtered ? api.ask("GET", "/v1/matches", { query }) : all,
    ]);
  }

  #chosen() { return this.#games.find(({ name }) => name === this.#game); }

  #choose(game) {
    this.#game = game;
    $("filter-mode").value = "";
    this.#render([], { matches: [], total: 0 });
    this.#refresh();
  }

  #render(all, shown) {
    document.body.dataset.chosen = this.#game;
    segments($("games"), this.games.map((name) => [name, titleOf(name)]), this.#game,
      (name) => this.#choose(name));
    const modes = this.modesOf(this.#game);
    showList($("modes"), [this.#game, modes, this.#queues.map((q) => [q.game, q.mode])],
      () => modes.map((mode) => this.#card(mode)));
    for (const card of $("modes").children) this.#live(card, all);
    const before = $("filter-mode").value;
    showList($("filter-mode"), [this.#game, modes.map(({ name }) => name)],
      () => [option("", "Any mode"), ...modes.map(({ name }) => option(name, titleOf(name)))]);
    $("filter-mode").value = before;
    this.#list(shown);
  }

  #card({ name, title, players_max: most }) {
    const card = wrap("article", "mode",
      make("h2", titleOf(name)), make("p", title), make("p", `up to ${most} players`, "muted small"),
      make("p", "", "live"));
    card.dataset.mode = name;
    const actions = wrap("div", "actions",
      button("Play now", "primary play", () => this.#on.play(this.#game, name)));
    if (this.queueOf(this.#game, name)) {
      actions.append(button("Find opponents", "quiet find", () => this.#on.find(this.#game, name)));
    }
    for (const each of actions.children) each.setAttribute("aria-label", `${each.textContent}: ${titleOf(name)}`);
    card.append(actions);
    return card;
  }

  #live(card, all) {
    const { mode } = card.dataset;
    const count = all.filter((each) => each.mode === mode).reduce((sum, each) => sum + each.players, 0);
    const waiting = this.queueOf(this.#game, mode)?.waiting ?? 0;
    const live = card.querySelector(".live");
    setText(live, [
      count ? `${count} playing now` : "nobody is playing yet",
      waiting ? `${waiting} looking for opponents` : "",
    ].filter(Boolean).join(" · "));
    live.classList.toggle("on", count + waiting > 0);
  }

  #list({ matches, total }) {
    const open = matches.filter((each) => each.state !== "ended" && !HIDDEN_MODES.has(each.mode))
      .slice(0, SHOWN_MAX);
    $("open-count").hidden = total === 0;
    setText($("open-count"), String(total));
    $("matches-none").hidden = open.length > 0;
    const filtering = $("filter-mode").value || $("filter-text").value || $("filter-seats").checked;
    setText($("matches-none"), filtering ? "No match is like that."
      : "Nothing is being played. Begin: others will see it here.");
    const focused = document.activeElement?.closest?.("#matches li")?.dataset.match;
    const pressed = document.activeElement?.textContent;
    const minute = Math.floor(Date.now() / 60_000);
    showList($("matches"), [minute, open.map((each) => [each.id, each.players, each.seats_open, each.state])],
      () => open.map((each) => this.#row(each)));
    if (focused && !$("matches").contains(document.activeElement)) {
      const row = $("matches").querySelector(`[data-match="${focused}"]`);
      [...(row?.querySelectorAll("button") ?? [])].find((each) => each.textContent === pressed)?.focus();
    }
  }

  #row({ id, mode, title, players, players_max: most, seats_open: seats, created_ms: created }) {
    const name = title || `${titleOf(mode)} match`;
    const told = [title ? titleOf(mode) : "", ago(created)].filter(Boolean).join(" · ");
    const full = make("span", `${players} / ${most}`, "seats");
    full.title = `${seats} free`;
    const join = button(seats ? "Join" : "Full", "primary small", () => this.#on.join(id));
    const row = wrap("li", "", wrap("div", "grow", make("b", name), make("span", told, "muted small")), full,
      join, button("Watch", "quiet small watch", () => this.#on.watch(id)));
    for (const each of row.querySelectorAll("button")) each.setAttribute("aria-label", `${each.textContent}: ${name}`);
    if (!seats) join.disabled = true;
    row.dataset.match = id;
    return row;
  }
}
