// The player's own page: name, where they stand, and what they have played.

import { $, ago, button, clockText, make, setText, titleOf, wrap } from "../shared/dom.js";

const PAGE = 20;
const TILES_MAX = 6;
const ENDS = { abandoned: "ended early", game_error: "ended by an error" };

const ordinal = (n) => {
  const last = n % 100 >= 11 && n % 100 <= 13 ? 0 : n % 10;
  return `${n}${["th", "st", "nd", "rd"][last] ?? "th"}`;
};

export class MeScreen {
  #api; #player; #on; #profile = null; #next = null; #asked = 0;

  /** `on`: `watch(match)`, `named(name)`, `problem(error)`. */
  constructor({ api, player, on }) {
    this.#api = api;
    this.#player = player;
    this.#on = on;
    $("name-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#save();
    });
    $("replay-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const match = $("replay-match").value.trim();
      if (match) on.watch(match);
    });
    $("history-more").addEventListener("click", () => this.#history(this.#next));
  }

  start() {
    const asked = ++this.#asked;
    $("name-problem").textContent = $("name-said").textContent = "";
    $("display-name").disabled = this.#profile === null; // what is typed must not be overwritten
    this.#load();
    this.#history("", asked);
  }

  async #load() {
    try {
      this.#named(await this.#api().ask("GET", "/v1/profile"));
    } catch (error) {
      if (this.#ended(error)) return;
      $("display-name").disabled = $("name-save").disabled = true;
      $("name-problem").textContent = error.code === "no_profiles" ? "This server keeps no profiles."
        : error.message;
    }
  }

  #named(profile) {
    const fresh = profile.version !== this.#profile?.version || profile.player_id !== this.#profile.player_id;
    this.#profile = profile;
    $("display-name").disabled = $("name-save").disabled = false;
    if (fresh) $("display-name").value = profile.display_name;
    setText($("avatar"), [...profile.display_name][0]?.toUpperCase() ?? "?");
    this.#on.named(profile.display_name);
  }

  async #save() {
    const name = $("display-name").value.trim();
    $("name-problem").textContent = name ? "" : "A name has at least one letter.";
    $("name-said").textContent = "";
    if (!name || !this.#profile) return;
    $("name-save").disabled = true;
    try {
      const headers = { "If-Match": `"${this.#profile.version}"` };
      this.#named(await this.#api().ask("PATCH", "/v1/profile", { body: { display_name: name }, headers }));
      $("name-said").textContent = "Saved: friends see you by this name. In matches you have your user name.";
    } catch (error) {
      if (this.#ended(error)) return;
      if (error.code === "version_conflict") {
        await this.#load();
        $("name-problem").textContent = "It was changed elsewhere a moment ago; this is the newest.";
      } else {
        $("name-problem").textContent = error.message;
      }
    } finally {
      $("name-save").disabled = false;
    }
  }

  #ended(error) {
    const ended = error.final || error.status === 401;
    if (ended) this.#on.problem(error);
    return ended;
  }

  async #history(cursor = "", asked = this.#asked) {
    try {
      const query = { limit: PAGE, cursor };
      const { matches, next } = await this.#api().ask("GET", "/v1/players/me/matches", { query });
      if (asked !== this.#asked) return;
      this.#next = next;
      $("history-more").hidden = !next;
      $("history-none").hidden = matches.length > 0 || cursor !== "";
      setText($("history-none"), "Nothing yet: what you play appears here some seconds after its end.");
      const rows = matches.map((each) => this.#row(each));
      if (cursor) $("history").append(...rows);
      else {
        $("history").replaceChildren(...rows);
        await this.#standing(matches, asked);
      }
    } catch (error) {
      if (asked !== this.#asked || this.#ended(error)) return;
      $("history-none").hidden = $("standing-none").hidden = false;
      setText($("history-none"), error.code === "not_configured" ? "This server keeps no history." : error.message);
      setText($("standing-none"), "");
    }
  }

  #row({ match, game, mode, joined_ms: joined, ended_ms: ended, duration_ms: ms, reason, place, score }) {
    const how = ended === null ? "still running" : place === null ? ENDS[reason] ?? "no result"
      : `${ordinal(place)} place`;
    const points = score === null ? "" : game === "arena" ? `${score} ${score === 1 ? "kill" : "kills"}`
      : `outlasted ${score}`;
    const told = [points, ms === null ? "" : clockText(ms / 1000), ago(joined)].filter(Boolean).join(" · ");
    const medal = make("span", place === null ? "–" : String(place), `rank r${place ?? 0}`);
    const row = wrap("li", "", medal,
      wrap("div", "grow", make("b", `${titleOf(game)} · ${titleOf(mode)}`), make("span", how, "how"),
        make("span", told, "muted small")),
      button("Result", "quiet small result", (pressed) => this.#result(row, match, pressed)));
    if (ended !== null) row.append(button("Watch again", "quiet small watch", () => this.#on.watch(match)));
    for (const each of row.querySelectorAll("button")) {
      each.setAttribute("aria-label", `${each.textContent}: ${titleOf(game)} ${titleOf(mode)}, ${ago(joined)}`);
    }
    row.querySelector(".result").setAttribute("aria-expanded", "false");
    row.dataset.match = match;
    return row;
  }

  /** Who played, below the row; pressed again it goes away. */
  async #result(row, match, pressed) {
    const shown = row.querySelector(".players");
    pressed.setAttribute("aria-expanded", String(!shown));
    if (shown) return shown.remove();
    const list = make("ol", "", "players");
    try {
      const { players } = await this.#api().ask("GET", `/v1/matches/${match}/result`);
      list.append(...players.map(({ player, name, place, score }) => wrap("li",
        player === this.#player() ? "self" : "",
        make("span", place === null ? "–" : String(place), "muted"),
        make("span", name ?? "somebody", "grow"), make("span", score === null ? "" : String(score)))));
    } catch (error) {
      if (this.#ended(error)) return;
      list.append(make("li", error.message, "muted"));
    }
    row.append(list);
  }

  /** The own places on the boards of what was played lately. */
  async #standing(matches, asked) {
    const played = [...new Set(matches.map(({ game, mode }) => `${game}/${mode}`))].slice(0, TILES_MAX);
    const tiles = await Promise.all(played.map(async (board) => {
      const told = await this.#api().ask("GET", `/v1/leaderboards/${board}/around-me`, { query: { places: 1 } });
      const own = told.entries.find(({ player }) => player === this.#player());
      const [game, mode] = board.split("/");
      return own && wrap("div", "tile", make("span", `${titleOf(game)} · ${titleOf(mode)}`, "muted small"),
        make("b", `#${own.rank}`), make("span", `${own.score.toLocaleString()} points`, "small"));
    }));
    if (asked !== this.#asked) return;
    $("standing").replaceChildren(...tiles.filter(Boolean));
    $("standing-none").hidden = $("standing").children.length > 0;
    setText($("standing-none"), "Play a match to its end and you have a place.");
  }
}
