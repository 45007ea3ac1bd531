// The page: log in, choose a mode, play, see the end.

import { Api } from "../shared/api.js";
import { ArenaScene } from "../arena/scene.js";
import { radiansToAim } from "../arena/rules.js";
import { GameClient, Pacer } from "../sdk/index.js";
import { Controls, STICK_PIXELS } from "../arena/controls.js";
import { Hud } from "../arena/hud.js";
import { ReplayScreen } from "../replay/screen.js";
import { Talk, liveButtons } from "./talk.js";

const GAME = "arena";
const LOBBY_EVERY_MS = 3_000;
const HIDDEN_MODES = new Set(["bench"]);

const NOT_READY = {
  server_full: "The server is full.",
  draining: "The server is being replaced.",
  starting: "The server is starting.",
};

const $ = (id) => document.getElementById(id);
const hud = new Hud();
const scene = new ArenaScene($("arena"));
const controls = new Controls($("arena"), (x, y) => scene.aimAt(x, y));

const talk = new Talk({
  client: () => client,
  tell: (...parts) => hud.tell(...parts),
  done: () => $("arena").focus({ preventScroll: true }),
});
const replay = new ReplayScreen({ api: () => api, scene, hud, leave: toLobby });

let config = null;
let api = null;
let client = null;
let seated = null;      // the last `joined`
let mode = "";
let players = new Map(); // player id → name, also of those who have left
let ended = null;       // standings, once the match is over
let fps = 0;
let lobbyTimer = 0;
let pacer = null;       // sends an input in every tick of the match

// For tests and for the curious: what the page sees.
window.__arena = {
  get screen() { return document.body.dataset.screen; },
  get connected() { return client?.connected ?? false; },
  get seated() { return client?.seated ?? false; },
  get match() { return seated?.match ?? null; },
  get mode() { return seated?.mode ?? null; },
  get seat() { return seated?.seat ?? -1; },
  get epoch() { return client?.frame?.epoch ?? 0; },
  get tick() { return client?.frame?.tick ?? -1; },
  get players() { return Object.keys(client?.frame?.view.players ?? {}).length; },
  get own() { return scene.own; },
  get drawnAt() { return scene.ownAt; },
  get corrections() { return scene.corrections; },
  get pingMs() { return client?.rttMs ?? null; },
  get fps() { return fps; },
  get matchOver() { return ended !== null; },
  get standings() { return ended; },
  get replay() { return replay.state; },
};

function show(screen) {
  document.body.dataset.screen = screen;
  controls.enabled = screen === "game";
  controls.release();
  clearTimeout(lobbyTimer);
  if (screen === "login") $("username").focus();
  if (screen === "lobby") refreshLobby();
  if (screen === "game") $("arena").focus({ preventScroll: true });
}

// ── log-in ──────────────────────────────────────────────────────────────────────────────────────

async function start() {
  show("login");
  try {
    const response = await fetch("/config.json");
    if (!response.ok) throw new Error(String(response.status));
    config = await response.json();
  } catch {
    $("login-error").textContent = "The page’s settings (/config.json) cannot be read; reload to try again.";
    $("login-button").disabled = true;
    return;
  }
  api = new Api(config.api_url);
  if (config.dev && config.demo) {
    $("username").value = config.demo.username;
    $("password").value = config.demo.password;
    $("demo-note").hidden = false;
  }
  $("login-button").focus();
  performance.mark("interactive");
}

function loginProblem(error) {
  if (error.code === "unreachable") return "The server cannot be reached. Is it running?";
  if (error.status === 429) return `Too many attempts; wait ${error.retryAfterS || 30} s.`;
  return error.message;
}

$("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = $("login-button");
  const { username, password } = event.target.elements;
  const empty = [username, password].find((field) => !field.value);
  $("login-error").textContent = empty ? "Enter a user name and a password." : "";
  if (empty) return empty.focus();
  button.disabled = true;
  button.textContent = "Logging in…";
  try {
    await api.login(username.value, password.value);
    const [, what, linked] = /^#(replay|watch)=([0-9a-z]{1,64})$/.exec(location.hash) ?? [];
    if (what === "replay") watch(linked);
    else if (what === "watch") spectate(linked);
    else show("lobby");
  } catch (error) {
    $("login-error").textContent = loginProblem(error);
    password.select();
  } finally {
    button.disabled = false;
    button.textContent = "Log in";
  }
});

function signOut(message = "") {
  client?.close();
  client = null;
  api.logout();
  $("login-error").textContent = message;
  show("login");
}
$("logout").addEventListener("click", () => signOut());

// ── lobby ───────────────────────────────────────────────────────────────────────────────────────

async function refreshLobby() {
  try {
    const [games, matches] = await Promise.all([api.games(), api.matches(GAME)]);
    const game = games.find((each) => each.name === GAME);
    renderModes(game?.modes ?? [], matches);
    if (!game) $("lobby-notice").textContent = "This server does not offer the arena.";
  } catch (error) {
    if (error.final || error.status === 401) return signOut("The session has ended; log in again.");
    $("lobby-notice").textContent = error.message;
  }
  if (document.body.dataset.screen === "lobby") lobbyTimer = setTimeout(refreshLobby, LOBBY_EVERY_MS);
}

function renderModes(modes, matches) {
  const shown = modes.filter((each) => !HIDDEN_MODES.has(each.name));
  const key = JSON.stringify(shown);
  if ($("modes").dataset.key !== key) {
    $("modes").dataset.key = key;
    $("modes").replaceChildren(...shown.map(modeCard));
  }
  for (const card of $("modes").children) {
    const open = matches.filter((each) => each.mode === card.dataset.mode);
    const count = open.reduce((sum, each) => sum + each.players, 0);
    const live = card.querySelector(".live");
    live.textContent = count ? `${count} playing now` : "nobody is playing yet";
    live.classList.toggle("on", count > 0);
  }
  const watched = matches.filter((each) => each.players > 0 && each.state !== "ended");
  $("live").hidden = watched.length === 0;
  $("live-matches").replaceChildren(...liveButtons(watched, spectate));
}

function modeCard({ name, title, players_max: most }) {
  const card = document.createElement("button");
  card.type = "button";
  card.className = "mode";
  card.dataset.mode = name;
  for (const [tag, text, className] of [
    ["b", name, ""], ["span", title, ""], ["span", `up to ${most} players`, "muted small"],
    ["span", "", "live"],
  ]) {
    const part = document.createElement(tag);
    part.textContent = text;
    part.className = className;
    card.append(part);
  }
  card.addEventListener("click", () => play(name));
  return card;
}

function toLobby(notice = "") {
  $("over").close();
  replay.close();
  pacer?.stop();
  client?.leave();
  seated = null;
  $("lobby-notice").textContent = notice;
  show("lobby");
}

// ── the match ───────────────────────────────────────────────────────────────────────────────────

function play(wanted) {
  enter(wanted);
  client.join({ game: GAME, mode });
  client.connect();
}

/** See a match of others as it is played. */
function spectate(match) {
  enter("");
  $("bots").hidden = true;
  client.watch(match);
  client.connect();
}

function enter(wanted) {
  mode = wanted;
  ended = null;
  seated = null;
  hud.reset();
  scene.reset(-1);
  $("over").close();
  $("bots").hidden = !config.dev;
  show("game");
  if (!client) {
    client = new GameClient({ url: config.ws_url, token: (fresh) => api.token(fresh) });
    listen(client);
  }
  hud.banner("Joining…");
}

/** Watch a recorded match. */
function watch(match) {
  $("over").close();
  pacer?.stop();
  client?.leave();
  seated = null;
  show("replay");
  replay.open(match);
}

function listen(to) {
  to.on("status", onStatus);
  to.on("joined", onJoined);
  to.on("frame", onFrame);
  to.on("event", onEvent);
  to.on("left", onLeft);
  to.on("paused", ({ reason }) => {
    talk.stands(true);
    hud.banner(reason.startsWith("the players") ? "Paused by the players" : "The match stands still for a moment…");
  });
  to.on("resumed", () => { talk.stands(false); hud.banner(null); });
  to.on("said", (line) => talk.said(line));
  to.on("voting", (vote) => talk.voting(vote));
  to.on("rematch", ({ match }) => {
    $("over").close();
    enter(mode);
    client.join({ match });
  });
  to.on("error", onError);
  to.on("notification", onNotification);
}

function onNotification({ kind, player }) {
  const news = { friend_request: " asks to be friends", friend_accepted: " is your friend now" };
  if (kind in news) hud.tell("", nameOf(player), news[kind]);
}

function onError({ code, message }) {
  console.info("server:", code, message);
  talk.refused({ code, message });
  if (code === "maintenance") {
    hud.banner(`${message} (You will join as soon as it is over.)`, { retry: true });
  }
}

async function onStatus({ state, attempt, reason }) {
  if (state === "waiting") {
    controls.release();
    const again = { retry: attempt > 1 };
    hud.banner("Connection lost – coming back…", again);
    if (attempt > 1) {
      const why = await api.notReady().catch((error) => error.message);
      const words = NOT_READY[why] ?? why;
      if (!client?.connected) hud.banner(words ? `${words} Trying again…` : "Connecting…", again);
    }
  } else if (state === "closed" && document.body.dataset.screen === "game" && reason !== "closed") {
    client = null;
    if (api.signedIn) toLobby(`The connection was closed: ${reason}.`);
    else signOut("The session has ended; log in again.");
  }
}

function onJoined(joined) {
  const same = seated?.match === joined.match && seated?.seat === joined.seat;
  seated = joined;
  scene.names = new Map(joined.seats.map(({ seat, name }) => [seat, name]));
  if (!same) players = new Map();
  for (const { player, name } of joined.seats) players.set(player, name);
  mode ||= joined.mode;
  talk.joined(joined);
  hud.bots = new Set(joined.seats.filter(({ player }) => isBot(player)).map(({ seat }) => seat));
  scene.reset(joined.seat, joined.tickRate);
  hud.banner(null);
  pacer?.stop();
  pacer = new Pacer(1000 / joined.tickRate, sendInput);
  if (joined.seat >= 0) pacer.start();
}

function onFrame(frame) {
  scene.push(frame, performance.now());
  hud.frame(frame, seated.seat, scene.names, seated.tickRate);
  hud.uncover(scene.ownAt && scene.ownOnPage);
}

const isBot = (player) => player.startsWith("bot:");

function nameOf(player) { return players.get(player) ?? "someone"; }

function onEvent({ kind, player, data }) {
  switch (kind) {
    case "player_joined":
      scene.names.set(data.seat, data.name);
      players.set(player, data.name);
      hud.bots[isBot(player) ? "add" : "delete"](data.seat);
      return hud.tell("", data.name, " joined");
    case "player_left":
      return hud.tell("", nameOf(player), " left");
    case "kill":
      return hud.tell("", nameOf(player), " shot ", nameOf(data.victim));
    case "lead":
      return hud.tell("", nameOf(player), " takes the lead");
    case "match_ended":
      return finish(data.standings, data.reason);
    default:
      return undefined;
  }
}

function finish(standings, reason) {
  ended = standings.map((each) => ({ ...each, name: nameOf(each.player) }));
  pacer?.stop();
  controls.release();
  const sorry = { game_error: "An error ended this match.", abandoned: "Everyone left." };
  hud.over(ended, client?.welcome?.player, sorry[reason]);
}

function onLeft({ reason, error }) {
  pacer?.stop();
  if (ended) return;
  if (reason === "ended") return finish([], "finished");
  if (reason === "left") return;
  const words = {
    gone: "The match is over.",
    over: "The match is over.",
    lost: "The server has lost the match.",
    kicked: "An operator removed you from the match.",
    game_error: "An error ended the match.",
  };
  const told = error?.code === "maintenance" ? error.message : words[reason] ?? error?.message;
  toLobby(told ?? "The match cannot be joined.");
}

function sendInput(dueMs) {
  if (!client?.seated) return;
  const { dx, dy, aim, fire } = controls.read();
  const seq = client.input([dx, dy, radiansToAim(aim), fire]);
  scene.sent(seq, { dx, dy }, dueMs);
}

let framesDrawn = 0;
let countedMs = performance.now();
function tick(nowMs) {
  requestAnimationFrame(tick);
  framesDrawn += 1;
  if (nowMs - countedMs >= 1000) {
    fps = Math.round((framesDrawn * 1000) / (nowMs - countedMs));
    framesDrawn = 0;
    countedMs = nowMs;
    hud.network(client?.rttMs ?? null, fps);
  }
  if (document.body.dataset.screen === "replay") replay.draw(nowMs);
  if (document.body.dataset.screen === "game") {
    pacer?.run();
    scene.draw(nowMs, controls.read().aim, controls.sticks.values(), STICK_PIXELS);
  }
}

$("leave").addEventListener("click", () => toLobby());
$("lobby-button").addEventListener("click", () => toLobby());
$("watch-button").addEventListener("click", () => watch(seated.match));
$("replay-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const match = $("replay-match").value.trim();
  if (match) watch(match);
});
$("again").addEventListener("click", () => play(mode));
$("over").addEventListener("cancel", (event) => { event.preventDefault(); toLobby(); });
$("retry").addEventListener("click", () => client?.retryNow());
$("bots").addEventListener("click", async ({ target }) => {
  target.disabled = true;
  try {
    const query = new URLSearchParams({ count: 7, game: GAME, mode });
    const response = await fetch(`/dev/bots?${query}`, { method: "POST" });
    hud.tell("", response.ok ? "7 bots" : "No bots", response.ok ? " are on their way" : " could be called");
  } catch {
    hud.tell("", "No bots", " could be called: the page’s server does not answer");
  } finally {
    target.disabled = false;
    $("arena").focus({ preventScroll: true });
  }
});

requestAnimationFrame(tick);
start();
