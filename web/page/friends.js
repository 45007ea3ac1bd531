// Friends, requests and the party: who is there, and who comes along.

import { $, button, make, option, setText, titleOf, wrap } from "../shared/dom.js";

const EVERY_MS = 4_000;
const NAMES_MAX = 500;

const WHERE = {
  offline: () => "offline",
  online: () => "online",
  queued: ({ game }) => `looking for opponents${game ? ` · ${titleOf(game)}` : ""}`,
  match: ({ game }) => `in a match${game ? ` · ${titleOf(game)}` : ""}`,
};

export class FriendsScreen {
  #api; #player; #on; #queues; #names = new Map(); #timer = 0; #asked = 0; #party = null; #shown = "";

  /** `queues()`: [{game, mode}] that parties can look for opponents in; `on`: `watch(match)`,
   * `find(game, mode)`, `problem(error)`. */
  constructor({ api, player, queues, on }) {
    this.#api = api;
    this.#player = player;
    this.#queues = queues;
    this.#on = on;
    $("friend-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const id = $("friend-id").value.trim();
      if (!id) return $("friend-id").focus();
      this.#do("POST", "/v1/friends", { player_id: id }).then((done) => { if (done) $("friend-id").value = ""; });
    });
    $("copy-id").addEventListener("click", async () => {
      await navigator.clipboard?.writeText(this.#player()).catch(() => {});
      setText($("copy-id"), "Copied");
      setTimeout(() => setText($("copy-id"), "Copy"), 1500);
    });
  }

  start() {
    clearTimeout(this.#timer);
    $("friends-notice").textContent = "";
    setText($("own-id"), this.#player());
    this.#shown = "";
    $("news").hidden = true;
    this.#refresh();
  }

  stop() {
    this.#asked += 1;
    clearTimeout(this.#timer);
  }

  /** What a player is called. */
  async nameOf(player) {
    await this.#learn(player);
    return this.#name(player);
  }

  /** Something has changed; a mark says so where the screen is not shown. */
  news(kind) {
    // Who is told so is in a party; who is invited is not yet.
    if (kind.startsWith("party_") && kind !== "party_invited") this.#party ??= {};
    if (document.body.dataset.screen === "friends") this.#refresh();
    else {
      setText($("news"), "new");
      $("news").hidden = false;
    }
  }

  async #do(method, path, body) {
    $("friends-notice").textContent = "";
    try {
      await this.#api().ask(method, path, { body });
      await this.#refresh();
      return true;
    } catch (error) {
      if (error.final || error.status === 401) this.#on.problem(error);
      $("friends-notice").textContent = error.message;
      return false;
    }
  }

  async #refresh() {
    const asked = ++this.#asked;
    clearTimeout(this.#timer);
    try {
      const lists = await Promise.all(["friends", "asked_by", "asked"].map(async (show) =>
        (await this.#api().ask("GET", "/v1/friends", { query: { show } })).players));
      // Who is in no party is told so by a problem; an own page that asked before knows.
      const { invitations } = await this.#api().ask("GET", "/v1/invitations");
      const party = this.#party === null ? null : await this.#api().ask("GET", "/v1/party").catch((error) => {
        if (error.code === "no_party") return null;
        throw error;
      });
      const people = [...lists.flat().map((each) => each.player_id), ...invitations.map((each) => each.leader),
        ...(party?.members ?? [])];
      await Promise.all([...new Set(people)].map((player) => this.#learn(player)));
      if (asked !== this.#asked) return;
      this.#party = party;
      this.#render(lists, party, invitations);
    } catch (error) {
      if (asked !== this.#asked) return;
      if (error.final || error.status === 401) return this.#on.problem(error);
      $("friends-notice").textContent = error.code === "no_friends" ? "This server keeps no friends." : error.message;
      if (error.code === "no_friends") return;
    }
    this.#timer = setTimeout(() => this.#refresh(), EVERY_MS);
  }

  async #learn(player) {
    if (this.#names.has(player)) return;
    if (this.#names.size >= NAMES_MAX) this.#names.clear();
    const known = await this.#api().ask("GET", `/v1/profiles/${encodeURIComponent(player)}`).catch(() => null);
    this.#names.set(player, known?.display_name ?? `player ${player.slice(0, 8)}`);
  }

  #name(player) { return player === this.#player() ? "You" : this.#names.get(player) ?? player; }

  #render(lists, party, invitations) {
    // What has the focus must not be replaced for nothing.
    const key = JSON.stringify([lists, party, invitations]);
    if (key === this.#shown) return;
    this.#shown = key;
    this.#renderParty(party, invitations);
    const [friends, askedBy, asked] = lists;
    const rows = [
      ...askedBy.map(({ player_id: id }) => this.#row(id, "wants to be your friend", [
        button("Accept", "primary small", () => this.#do("POST", `/v1/friends/${id}/answer`, { accept: true })),
        button("Decline", "quiet small", () => this.#do("POST", `/v1/friends/${id}/answer`, { accept: false })),
      ])),
      ...friends.map(({ player_id: id, whereabouts }) => this.#friend(id, whereabouts, party)),
      ...asked.map(({ player_id: id }) => this.#row(id, "has not answered yet", [
        button("Take back", "quiet small", () => this.#do("DELETE", `/v1/friends/${id}`)),
      ])),
    ];
    $("friends-list").replaceChildren(...rows);
    $("friends-none").hidden = rows.length > 0;
  }

  #friend(id, whereabouts, party) {
    const told = WHERE[whereabouts?.where]?.(whereabouts) ?? "";
    const leads = !party || party.leader === this.#player();
    const free = leads && !party?.members.includes(id) && !party?.invites.some(({ player }) => player === id);
    const row = this.#row(id, told, [
      whereabouts?.match ? button("Watch", "quiet small", () => this.#on.watch(whereabouts.match)) : null,
      free ? button("Invite", "quiet small", () => this.#invite(id)) : null,
      button("Remove", "quiet small", () => this.#do("DELETE", `/v1/friends/${id}`)),
    ]);
    row.classList.toggle("there", !!whereabouts && whereabouts.where !== "offline");
    return row;
  }

  #row(id, told, buttons) {
    const name = this.#name(id);
    const row = wrap("li", "", make("span", [...name][0].toUpperCase(), "avatar small"),
      wrap("div", "grow", make("b", name), make("span", told, "muted small")), ...buttons);
    for (const each of row.querySelectorAll("button")) each.setAttribute("aria-label", `${each.textContent}: ${name}`);
    row.dataset.player = id;
    return row;
  }

  // ── the party ───────────────────────────────────────────────────────────────────────────────

  async #invite(player) {
    if (this.#party === null && !await this.#begin()) return;
    await this.#do("POST", "/v1/party/invites", { player });
  }

  async #begin() {
    try {
      this.#party = await this.#api().ask("POST", "/v1/party");
      return true;
    } catch (error) {
      if (error.code !== "already_in_party") {
        $("friends-notice").textContent = error.message;
        return false;
      }
      this.#party = await this.#api().ask("GET", "/v1/party");
      return true;
    }
  }

  #renderParty(party, invitations) {
    const title = make("h2", "Party");
    title.id = "party-title";
    const parts = [title];
    for (const { party: id, leader } of invitations) {
      const accept = async () => {
        this.#party = {};
        if (!await this.#do("POST", `/v1/invitations/${id}/accept`)) this.#party = party;
      };
      parts.push(wrap("p", "row", make("span", `${this.#name(leader)} invites you.`, "grow"),
        button("Come along", "primary small", accept),
        button("Not now", "quiet small", () => this.#do("POST", `/v1/invitations/${id}/decline`))));
    }
    if (!party) parts.push(make("p", "Invite a friend below, and you play together.", "muted"));
    else parts.push(...this.#members(party));
    $("party").replaceChildren(...parts);
  }

  #members({ leader, members, invites }) {
    const leads = leader === this.#player();
    const names = members.map((each) => this.#name(each) + (each === leader ? " (leads)" : ""));
    const waiting = invites.map(({ player }) => `${this.#name(player)} (invited)`);
    const leave = async () => {
      const before = this.#party;
      this.#party = null; // so that nobody asks for a party that is left
      if (!await this.#do("POST", "/v1/party/leave")) this.#party = before;
    };
    const tools = wrap("div", "tools");
    const queues = this.#queues().filter((each) => each.party_max >= members.length);
    if (leads && queues.length) {
      const select = make("select");
      select.setAttribute("aria-label", "Game and mode");
      select.append(...queues.map(({ game, mode }) => option(`${game}/${mode}`, `${titleOf(game)} · ${titleOf(mode)}`)));
      tools.append(select, button("Find opponents", "primary small", () => this.#on.find(...select.value.split("/"))));
    }
    tools.append(button("Leave the party", "quiet small", leave));
    return [make("p", [...names, ...waiting].join(", ")), tools];
  }
}
