// The operators' console: sign in, then one page at a time, chosen by the address's hash.
//
//   Overview (polls /v1/admin/overview) ──► Live, Nodes, and what stands in the bar
//   pages: {title, element, start(), stop()}, made anew each time they are opened

import { AuditPage } from "./audit.js";
import { ConsoleApi } from "./client.js";
import { $ } from "./dom.js";
import { age, count } from "./format.js";
import { LettersPage } from "./letters.js";
import { LivePage } from "./live.js";
import { MatchPage } from "./match.js";
import { MatchesPage } from "./matches.js";
import { NodesPage } from "./nodes.js";
import { Overview } from "./overview.js";
import { PlayerPage } from "./player.js";
import { PlayersPage } from "./players.js";

const PAGES = {
  live: LivePage,
  matches: MatchesPage,
  match: MatchPage,
  players: PlayersPage,
  player: PlayerPage,
  nodes: NodesPage,
  letters: LettersPage,
  audit: AuditPage,
};
const UNDER = { match: "matches", player: "players" };

let config = null;
let api = null;
let overview = null;
let page = null;
let started = false; // the first page after signing in does not take the focus away

// For tests and for the curious.
window.__console = {
  get page() {
    return page?.name ?? null;
  },
  get overview() {
    return overview && { nodes: overview.nodes, samples: overview.samples.length, stale: overview.stale };
  },
};

// ── signing in ──────────────────────────────────────────────────────────────────────────────────

async function start() {
  try {
    const response = await fetch("/config.json");
    if (!response.ok) throw new Error(String(response.status));
    config = await response.json();
  } catch {
    $("login-error").textContent = "The page’s settings (/config.json) cannot be read; reload to try again.";
    $("login-button").disabled = true;
    return;
  }
  api = new ConsoleApi(config.api_url);
  if (config.dev && config.operator) {
    $("username").value = config.operator.username;
    $("password").value = config.operator.password;
    $("demo-note").hidden = false;
  }
  $("login-button").focus();
}

function problemOf(error) {
  if (error.code === "not_an_operator")
    return `You are logged in, but not an operator. ${error.message} Ask whoever administers the user pool.`;
  if (error.code === "unreachable") return "The server cannot be reached. Is it running?";
  if (error.status === 429) return `Too many attempts; wait ${error.retryAfterS || 30} s.`;
  return error.message;
}

$("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { username, password } = event.target.elements;
  const go = $("login-button");
  const empty = [username, password].find((field) => !field.value);
  $("login-error").textContent = empty ? "Enter a user name and a password." : "";
  if (empty) return empty.focus();
  go.disabled = true;
  go.textContent = "Logging in…";
  try {
    await api.login(username.value, password.value);
    await api.get("/maintenance"); // Tells who is no operator.
    password.value = "";
    signedIn(username.value);
  } catch (error) {
    if (api.signedIn) api.logout();
    $("login-error").textContent = problemOf(error);
    password.select();
  } finally {
    go.disabled = false;
    go.textContent = "Log in";
  }
  return undefined;
});

function signedIn(name) {
  document.body.dataset.signed = "in";
  $("who").textContent = name;
  overview = new Overview(api);
  overview.addEventListener("age", showStatus);
  overview.start();
  started = false;
  open();
}

function signOut(message = "") {
  overview?.stop();
  overview = null;
  page?.stop();
  page = null;
  if ($("confirm").open) $("confirm-cancel").click();
  api.logout();
  $("main").replaceChildren();
  document.body.dataset.signed = "out";
  $("login-error").textContent = message;
  $("password").focus();
}
$("logout").addEventListener("click", () => signOut());

// ── the bar ─────────────────────────────────────────────────────────────────────────────────────

function showStatus() {
  if (!overview) return;
  const { problem } = overview;
  if (problem && (problem.final || problem.status === 401 || problem.status === 403)) {
    signOut(problem.status === 403 ? problemOf(problem) : "The session has ended; log in again.");
    return;
  }
  const status = $("status");
  const kind = !overview.heard ? "" : overview.stale ? "warn" : "good";
  const text = !overview.heard
    ? (problem?.message ?? "Connecting…")
    : overview.stale
      ? `Not current: last heard ${age(overview.agoMs)} ago`
      : "Live";
  if (status.textContent !== text) status.textContent = text;
  status.className = `pill status ${kind}`;
  status.title = problem ? problem.message : "";
  document.body.dataset.stale = overview.stale;
  $("maintenance-pill").hidden = !overview.maintenance.on;
  const letters = overview.latestQueue?.dead_letters ?? 0;
  $("letters-badge").hidden = letters === 0;
  $("letters-badge").textContent = count(letters);
}

// ── pages ───────────────────────────────────────────────────────────────────────────────────────

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // typed by somebody
  }
}

function wanted() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...args] = path.split("/").map(decoded);
  const known = Object.hasOwn(PAGES, name) ? name : "live";
  return { name: known, args, query: new URLSearchParams(query) };
}

function open() {
  if (!overview) return;
  const { name, args, query } = wanted();
  page?.stop();
  const made = new PAGES[name]({ api, overview, config, args, query });
  made.name = name;
  page = made;
  document.title = `${made.title} · Operator console`;
  for (const link of $("nav").children) {
    const current = link.hash === `#/${UNDER[name] ?? name}`;
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    if (current && link.offsetParent) link.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  $("main").replaceChildren(made.element);
  if (started) $("main").focus({ preventScroll: true });
  started = true;
  scrollTo(0, 0);
  made.start();
}

addEventListener("hashchange", open);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  $("main").focus();
});
start();
