// The page: its screens, and what leads from one to another.
//
//   log in ──► lobby ──► match ──► its end ──► lobby, again, or watch it again
//               │  └──► queue ──┘
//               └─► leaderboards, friends, profile ──► replay

import { ArenaView } from "../arena/view.js";
import { DiceView } from "../dice/view.js";
import { ReplayScreen } from "../replay/screen.js";
import { Api } from "../shared/api.js";
import { $, setText } from "../shared/dom.js";
import { Sounds } from "../shared/sound.js";
import { Account } from "./account.js";
import { BoardsScreen } from "./boards.js";
import { debug } from "./debug.js";
import { FriendsScreen } from "./friends.js";
import { Hud } from "./hud.js";
import { Lobby } from "./lobby.js";
import { Match } from "./match.js";
import { MeScreen } from "./me.js";
import { QueueScreen } from "./queue.js";

let config = null;
let api = null;
let fps = 0;

const hud = new Hud();
const sounds = new Sounds();
const given = {
  tell: (...parts) => hud.tell(...parts),
  send: (input) => (match.client?.seated ? match.client.input(input) : 0),
  sound: (name) => sounds.play(name),
};
const views = { arena: new ArenaView(given), liars_dice: new DiceView(given) };
const player = () => match.client?.welcome?.player ?? api?.player ?? "";

const match = new Match({
  config: () => config, api: () => api, hud, views, sound: given.sound,
  modeOf: (game, mode) => lobby.modesOf(game).find(({ name }) => name === mode),
  on: {
    show: () => show("game"),
    lobby: toLobby,
    signedOut: signOut,
    notification: onNotification,
    matchmaking: (news) => { if (!match.playing) queue.news(news); },
  },
});
const replay = new ReplayScreen({ api: () => api, views, hud, leave: (words) => back(words) });
const account = new Account({ api: () => api, done: signedIn });
const lobby = new Lobby({
  api: () => api, playable: Object.keys(views),
  on: {
    play: (game, mode) => match.play(game, mode),
    find: (game, mode) => queue.enter(game, mode),
    join: (id, { game, mode, code } = {}) => match.join(id, { game, mode, code: code ?? "" }),
    watch: (id) => match.spectate(id),
    problem: ended,
  },
});
const queue = new QueueScreen({
  api: () => api, player,
  on: {
    show: () => show("queue"),
    matched: (id, game, mode) => match.join(id, { game, mode, found: true }),
    ended: toLobby, problem: ended, sound: given.sound,
  },
});
const modes = () => lobby.games.flatMap((game) => lobby.modesOf(game).map(({ name }) => ({ game, mode: name })));
const screens = {
  lobby,
  boards: new BoardsScreen({ api: () => api, player, modes, on: { problem: ended } }),
  friends: new FriendsScreen({
    api: () => api, player, queues: () => lobby.queues,
    on: {
      watch: (id) => match.spectate(id), problem: ended,
      find: (game, mode) => queue.enter(game, mode, { party: true }),
    },
  }),
  me: new MeScreen({
    api: () => api, player,
    on: { watch, problem: ended, named: (name) => setText($("who"), name) },
  }),
};

window.__arena = debug({ match, views, replay, queue, sounds, fps: () => fps });

// ── screens ─────────────────────────────────────────────────────────────────────────────────────

let came = "lobby"; // the last screen of the bar at the top

function show(name) {
  screens[document.body.dataset.screen]?.stop?.();
  document.body.dataset.screen = name;
  for (const button of document.querySelectorAll("nav button")) {
    if (button.dataset.to === name) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
  }
  $("skip").href = `#${name}`;
  if (name in screens) {
    came = name;
    hud.banner(null);
    screens[name].start();
    window.scrollTo(0, 0);
    // What had the focus may be gone with its screen; the keyboard goes on from here.
    if (!document.activeElement?.offsetParent) $(name).focus({ preventScroll: true });
  }
}

function toLobby(notice = "") {
  queue.close();
  replay.close();
  match.leave();
  lobby.notice(notice);
  show("lobby");
}

/** Back to the screen from which a replay was opened. */
function back(words) {
  if (words || came === "lobby") return toLobby(words);
  replay.close();
  show(came);
}

function watch(id) {
  match.leave();
  show("replay");
  replay.open(id);
}

// ── start, log-in and log-out ───────────────────────────────────────────────────────────────────

async function start() {
  try {
    const response = await fetch("/config.json");
    if (!response.ok) throw new Error(String(response.status));
    config = await response.json();
  } catch {
    account.say({ problem: "The page’s settings (/config.json) cannot be read; reload to try again." });
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

async function signedIn() {
  setText($("who"), $("username").value);
  match.connect();
  if (!followLink()) show("lobby");
}

/** Go where a link leads: `#replay=<match>`, `#watch=<match>`, `#code=<code of a private match>`. */
function followLink() {
  const [, what, linked] = /^#(replay|watch|code)=([0-9a-zA-Z]{1,64})$/.exec(location.hash) ?? [];
  if (!what || !api?.signedIn) return false;
  history.replaceState(null, "", location.pathname + location.search); // so that it can be followed again
  if (what === "replay") watch(linked);
  else if (what === "watch") match.spectate(linked);
  else {
    toLobby();
    lobby.joinByCode(linked);
  }
  return true;
}
window.addEventListener("hashchange", followLink);

function signOut(problem = "") {
  screens[document.body.dataset.screen]?.stop?.();
  queue.close();
  replay.close();
  match.leave();
  match.close();
  api.logout();
  show("login");
  account.show("login", { problem });
}

/** A call has failed because the session is over. */
function ended() { signOut("The session has ended; log in again."); }

// ── news ────────────────────────────────────────────────────────────────────────────────────────

const NEWS = {
  friend_request: " asks to be friends",
  friend_accepted: " is your friend now",
  party_invited: " invites you to a party",
  party_joined: " came into the party",
  party_left: " left the party",
  party_kicked: " was put out of the party",
  party_leader: " leads the party now",
  party_declined: " does not come along",
  party_disbanded: " ended the party",
};

async function onNotification({ kind, player: from, data }) {
  if (kind in NEWS) {
    const named = match.nameOf(from) ?? await screens.friends.nameOf(from);
    hud.toast("", named, NEWS[kind]);
    screens.friends.news(kind);
  }
  if (kind === "party_queued" && !match.playing) queue.follow(data.game ?? "", data.mode ?? "");
  if (kind === "party_match" && !match.playing) match.join(data.match);
}

// ── frames ──────────────────────────────────────────────────────────────────────────────────────

let framesDrawn = 0;
let countedMs = performance.now();
function tick(nowMs) {
  requestAnimationFrame(tick);
  framesDrawn += 1;
  if (nowMs - countedMs >= 1000) {
    fps = Math.round((framesDrawn * 1000) / (nowMs - countedMs));
    framesDrawn = 0;
    countedMs = nowMs;
    const { clock, connected } = match.client ?? {};
    hud.network(connected ? clock.rttMs : null, clock?.jitterMs ?? 0, fps);
  }
  const { screen } = document.body.dataset;
  if (screen === "replay") replay.draw(nowMs);
  if (screen === "game") match.view?.draw(nowMs);
}

// ── buttons ─────────────────────────────────────────────────────────────────────────────────────

for (const button of document.querySelectorAll("nav button")) {
  button.addEventListener("click", () => show(button.dataset.to));
}
$("logout").addEventListener("click", () => signOut());
$("leave").addEventListener("click", () => toLobby());
$("lobby-button").addEventListener("click", () => toLobby());
$("watch-button").addEventListener("click", () => watch(match.seated.match));
$("again").addEventListener("click", () => {
  const { game, mode, found } = match.wish;
  if (found) {
    match.leave();
    queue.enter(game, mode);
  } else match.play(game, mode);
});
$("over").addEventListener("cancel", (event) => { event.preventDefault(); toLobby(); });
$("sound").addEventListener("click", () => {
  sounds.set(!sounds.on);
  showSound();
  match.view?.focus();
});
function showSound() {
  setText($("sound"), sounds.on ? "♪ on" : "♪ off");
  $("sound").setAttribute("aria-label", sounds.on ? "Sound is on" : "Sound is off");
}
$("bots").addEventListener("click", async ({ target }) => {
  target.disabled = true;
  try {
    const { game, mode } = match.seated;
    const count = match.view.botsCalled;
    const response = await fetch(`/dev/bots?${new URLSearchParams({ count, game, mode })}`, { method: "POST" });
    hud.tell("", response.ok ? `${count} bots` : "No bots", response.ok ? " are on their way" : " could be called");
  } catch {
    hud.tell("", "No bots", " could be called: the page’s server does not answer");
  } finally {
    target.disabled = false;
    match.view?.focus();
  }
});

showSound();
requestAnimationFrame(tick);
start();
