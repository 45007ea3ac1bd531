// Leaderboards: the best of a mode, and the places around one's own.

import { $, make, option, segments, setText, showList, titleOf, wrap } from "../shared/dom.js";

const SPANS = [["all", "All time"], ["season", "Season"], ["day", "Today"]];
const VIEWS = [["top", "The best"], ["around", "Around me"]];
const PAGE = 50;
const AROUND = 10;

export class BoardsScreen {
  #api; #on; #modes; #player; #span = "all"; #view = "top"; #asked = 0; #next = null; #entries = [];

  /** `modes()`: [{game, mode}]; `on.problem(error)`: the session has ended. */
  constructor({ api, player, modes, on }) {
    this.#api = api;
    this.#player = player;
    this.#modes = modes;
    this.#on = on;
    $("board-mode").addEventListener("change", () => this.#load());
    $("board-more").addEventListener("click", () => this.#load(this.#next));
  }

  start() {
    const before = $("board-mode").value;
    const modes = this.#modes();
    showList($("board-mode"), modes, () => modes.map(({ game, mode }) =>
      option(`${game}/${mode}`, `${titleOf(game)} · ${titleOf(mode)}`)));
    if (before) $("board-mode").value = before;
    this.#load();
  }

  async #load(cursor = "") {
    segments($("board-span"), SPANS, this.#span, (span) => { this.#span = span; this.#load(); });
    segments($("board-view"), VIEWS, this.#view, (view) => { this.#view = view; this.#load(); });
    const asked = ++this.#asked;
    const [game, mode] = $("board-mode").value.split("/");
    if (!mode) return;
    const around = this.#view === "around";
    const path = `/v1/leaderboards/${game}/${mode}${around ? "/around-me" : ""}`;
    const query = { span: this.#span, ...(around ? { places: AROUND } : { limit: PAGE, cursor }) };
    try {
      const told = await this.#api().ask("GET", path, { query });
      if (asked !== this.#asked) return;
      this.#entries = cursor ? [...this.#entries, ...told.entries] : told.entries;
      this.#next = told.next ?? null;
      this.#show(told, game);
    } catch (error) {
      if (asked !== this.#asked) return;
      if (error.final || error.status === 401) return this.#on.problem(error);
      this.#entries = [];
      this.#next = null;
      this.#show({}, game, error.code === "not_configured" ? "This server keeps no leaderboards." : error.message);
    }
  }

  #show({ period, total }, game, problem = "") {
    const words = game === "arena" ? "Kills of all matches, added up." : "Players outlasted in all matches, added up.";
    const when = this.#span === "all" ? "" : period ? ` ${this.#span === "day" ? "Day" : "Season"}: ${period}.` : "";
    const many = total ? ` ${total.toLocaleString()} ${total === 1 ? "player" : "players"}.` : "";
    setText($("board-note"), problem ? "" : words + when + many);
    const none = this.#view === "around" ? "You have no place on this board yet: play a match to its end."
      : "Nobody is on this board yet.";
    $("board-none").hidden = this.#entries.length > 0;
    setText($("board-none"), problem || none);
    $("board-more").hidden = !this.#next;
    document.querySelector(".ranks thead").hidden = this.#entries.length === 0;
    const own = this.#player();
    showList($("ranks"), [own, this.#entries], () => this.#entries.map(({ player, name, rank, score }) => {
      const line = wrap("tr", player === own ? "self" : "",
        wrap("td", "", make("span", String(rank), `rank r${rank}`)),
        wrap("td", "name", name ?? "somebody", player === own ? make("span", "you", "tag") : null),
        make("td", score.toLocaleString()));
      line.dataset.player = player;
      return line;
    }));
  }
}
