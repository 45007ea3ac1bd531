// The playground: a game's messages, told from its types, sent and shown as they are.

import { Api } from "../shared/api.js";
import { jsClient, pythonClient } from "./code.js";
import { FieldProblem, SchemaForm } from "./form.js";
import { JsonSocket } from "./socket.js";
import { Tree } from "./tree.js";

const LOG_MAX = 200;
const TEXT_MAX = 2_000;
const REPEAT_MS = 100;
const REFRESH_EVERY_MS = 3_000;
const BOTS = ["bot-0001", "bot-0002", "bot-0003", "bot-0004"];
const CHATTY = new Set(["snapshot", "delta", "ping", "pong"]);
const CONDITIONS = ["latency_ms", "jitter_ms", "stall_percent"];

const $ = (id) => document.getElementById(id);
const tree = new Tree($("view"));
const query = new URLSearchParams(location.search);

let config = null;
let api = null;
let schema = null;
let form = null;
let socket = null;
let open = false;      // the server has said welcome
let beganMs = 0;
let hiddenFrames = 0;
let repeating = 0;
let refresh = 0;
let refreshedMs = -Infinity;

// ── what can be played ──────────────────────────────────────────────────────────────────────────

function options(select, values, chosen) {
  select.replaceChildren(...values.map(([value, text]) => new Option(text, value)));
  if (values.some(([value]) => value === chosen)) select.value = chosen;
}

async function start() {
  try {
    const response = await fetch("/config.json");
    config = await response.json();
  } catch {
    return problem("The page’s settings (/config.json) cannot be read; is `make run` running?");
  }
  if (!config.dev) return problem("The playground is for development; this server is not.");
  api = new Api(config.api_url);
  const players = [["demo", "demo, logged in through Cognito"], ...BOTS.map((name) => [name, `${name}, a signed token`])];
  options($("player"), players, query.get("player"));
  for (const name of CONDITIONS) {
    if (query.has(name)) $("connect-form").elements[name].value = query.get(name);
  }
  try {
    const games = await api.games();
    options($("game"), games.map(({ name }) => [name, name]), query.get("game"));
    await choose();
  } catch (error) {
    problem(error.message);
  }
}

async function choose() {
  schema = await api.schema($("game").value);
  const modes = schema.modes.map(({ name, title }) => [name, title ? `${name}: ${title}` : name]);
  options($("mode"), modes, $("mode").value || query.get("mode"));
  showSchema();
  link();
}

function showSchema() {
  form = new SchemaForm(schema.input, schema.$defs);
  $("fields").replaceChildren(form.element);
  const input = schema.$defs[schema.input.$ref?.split("/").pop()];
  $("input-about").textContent = input?.description ?? "";
  const parts = [["Input", schema.input, "what players send"], ["View", schema.view, schema.hidden ? "what a player sees: each an own one" : "what everyone sees"]];
  for (const [kind, of] of Object.entries(schema.events)) parts.push([kind, of, "an event"]);
  if (schema.result) parts.push(["Result", schema.result, "kept at the end"]);
  $("schemas").replaceChildren(...parts.map(([name, of, about]) => schemaPart(name, of, about)));
  code();
}

function schemaPart(name, of, about) {
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  summary.append(`${name} `, Object.assign(document.createElement("span"), { textContent: about }));
  const pre = document.createElement("pre");
  pre.tabIndex = 0;
  pre.textContent = JSON.stringify({ ...of, $defs: defsOf(of) }, null, 2);
  details.append(summary, pre);
  return details;
}

/** The definitions that a schema needs, and those that these need. */
function defsOf(of, found = {}) {
  for (const [, name] of JSON.stringify(of).matchAll(/"#\/\$defs\/([^"]+)"/g)) {
    if (name in found) continue;
    found[name] = schema.$defs[name];
    defsOf(found[name], found);
  }
  return found;
}

/** The game's source may have changed: a whole view in the middle of a match may mean that. Small
 *  views come whole all the time, so it is asked for now and then only. */
function refreshSoon() {
  refresh ||= setTimeout(async () => {
    await refreshSchema();
    refreshedMs = performance.now();
    refresh = 0;
  }, Math.max(0, refreshedMs + REFRESH_EVERY_MS - performance.now()));
}

async function refreshSchema() {
  const before = JSON.stringify(schema);
  const fresh = await api.schema($("game").value).catch(() => schema);
  if (JSON.stringify(fresh) === before) return;
  schema = fresh;
  showSchema();
  tree.clear("");
  note("The game’s messages have changed: the form is new.");
}

// ── the connection ──────────────────────────────────────────────────────────────────────────────

const conditions = () =>
  Object.fromEntries(CONDITIONS.map((name) => [name, $("connect-form").elements[name].value]));

async function token() {
  const player = $("player").value;
  if (player === "demo") {
    if (!api.signedIn) await api.login(config.demo.username, config.demo.password);
    return api.token();
  }
  const first = Number(player.split("-")[1]);
  const response = await fetch(`/dev/tokens?count=1&first=${first}`, { method: "POST" });
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()).tokens[0];
}

async function connect() {
  problem("");
  $("connect").disabled = true;
  status("connecting…");
  try {
    const jwt = await token();
    beganMs = performance.now();
    socket = new JsonSocket({ url: config.ws_url, token: jwt, conditions: conditions(), heard });
  } catch (error) {
    status("not connected");
    problem(error.message);
  }
  controls();
}

function heard(what, detail) {
  switch (what) {
    case "frame": return frame(detail);
    case "view": return view(detail);
    case "ping":
      $("ping").hidden = false;
      $("ping").textContent = `${detail.ms.toFixed(0)} ms`;
      return undefined;
    case "welcome":
      open = true;
      status(`connected as ${detail.name}`, true);
      socket.join($("game").value, $("mode").value);
      break;
    case "joined":
      $("seat").textContent = `seat ${detail.seat} of ${detail.mode}, match …${detail.match.slice(-6)}`;
      $("seat").title = detail.match;
      problem("");
      break;
    case "left":
      tree.clear(`The seat is gone: ${detail.reason}.`);
      $("tick").textContent = "";
      break;
    case "event": return event(detail);
    case "error": return problem(`${detail.code}: ${detail.message}`);
    case "paused": return note(`The match stands still: ${detail.reason}`);
    case "resumed": return note("The match goes on.");
    case "closed": return closed(detail);
    default:
  }
  return controls();
}

function closed({ code, reason }) {
  const wasOpen = open;
  socket = null;
  open = false;
  $("ping").hidden = true;
  tree.clear("Join a match to see what its players see.");
  $("tick").textContent = "";
  status("not connected");
  if (code !== 1000) {
    problem(wasOpen ? `The server closed the connection: ${code} ${reason}` : "The connection was refused; the server’s log says why.");
  }
  controls();
}

function view({ view: seen, tick, again }) {
  if (again) refreshSoon();
  if ($("freeze").getAttribute("aria-pressed") === "true") return;
  $("tick").textContent = `tick ${tick}`;
  tree.show(seen, schema.view, schema.$defs);
}

function controls() {
  const seated = Boolean(socket?.seat);
  $("connect").textContent = socket ? "Disconnect" : "Connect and join";
  $("connect").disabled = false;
  $("join").disabled = !open || seated;
  $("leave").disabled = !seated;
  $("send").disabled = !seated;
  $("seat").hidden = !seated;
  if (!seated) repeat(false);
}

// ── what is sent ────────────────────────────────────────────────────────────────────────────────

/** The input in the form; null, and a word beside it, where it is not one. */
function read() {
  try {
    const data = form.read();
    $("input-problem").textContent = "";
    return data;
  } catch (error) {
    if (!(error instanceof FieldProblem)) throw error;
    $("input-problem").textContent = error.message;
    return null;
  }
}

function send() {
  const data = read();
  if (data !== null && socket?.seat) socket.input(data);
  return data !== null;
}

function repeat(on) {
  $("repeat").checked = on;
  clearInterval(repeating);
  repeating = on ? setInterval(() => send() || repeat(false), REPEAT_MS) : 0;
}

// ── logs ────────────────────────────────────────────────────────────────────────────────────────

function line(list, kind, text, className = "") {
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 30;
  const item = document.createElement("li");
  item.className = className;
  const time = document.createElement("time");
  time.textContent = `${((performance.now() - beganMs) / 1000).toFixed(2)} s`;
  const word = document.createElement("span");
  word.className = "kind";
  word.textContent = kind;
  const said = document.createElement("span");
  said.textContent = text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text;
  item.append(time, word, said);
  list.append(item);
  while (list.childElementCount > LOG_MAX) list.firstElementChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function frame({ up, message, text }) {
  if (CHATTY.has(message.type) && !$("all-frames").checked) {
    hiddenFrames += 1;
    $("hidden-frames").textContent = `${hiddenFrames} hidden`;
    return;
  }
  line($("frames"), `${up ? "↑" : "↓"} ${message.type}`, text, up ? "up" : message.type === "error" ? "bad" : "");
}

function event({ seq, kind, player, data }) {
  line($("events"), kind, `#${seq} ${player ?? ""} ${JSON.stringify(data)}`);
}

function note(text) { line($("events"), "·", text); }

function status(text, on = false) {
  $("status").textContent = text;
  $("status").classList.toggle("on", on);
}

function problem(text) { $("problem").textContent = text; }

// ── code ────────────────────────────────────────────────────────────────────────────────────────

function code() {
  if (!form) return null;
  const data = read();
  if (data === null) return null;
  const given = {
    page: location.origin, url: `${config.ws_url}/v1/play`, game: $("game").value, mode: $("mode").value, data,
  };
  $("snippet").textContent = pythonClient(given);
  return { python: pythonClient(given), js: jsClient(given) };
}

async function copy(language, name) {
  const made = code();
  if (!made) return;
  try {
    await navigator.clipboard.writeText(made[language]);
    $("copied").textContent = `${name} copied.`;
  } catch {
    $("copied").textContent = "The browser does not let pages copy; take it from below.";
  }
}

/** The same page for another player, in a tab of its own. */
function link() {
  const other = $("player").value === BOTS[0] ? BOTS[1] : BOTS[0];
  const given = { game: $("game").value, mode: $("mode").value, player: other };
  $("second").href = `${location.pathname}?${new URLSearchParams(given)}`;
}

$("connect-form").addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  if (socket) socket.close();
  else connect();
});
$("join").addEventListener("click", () => socket.join($("game").value, $("mode").value));
$("leave").addEventListener("click", () => socket.leave());
$("game").addEventListener("change", () => {
  $("mode").replaceChildren();
  choose().catch((error) => problem(error.message));
});
$("mode").addEventListener("change", () => { link(); code(); });
$("player").addEventListener("change", link);
$("input-form").addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  send();
});
$("input-form").noValidate = true; // what is wrong is said beside the button, also for hidden parts
$("fields").addEventListener("input", code);
$("repeat").addEventListener("change", ({ target }) => repeat(target.checked && Boolean(socket?.seat) && send()));
$("freeze").addEventListener("click", ({ target }) => {
  const on = target.getAttribute("aria-pressed") !== "true";
  target.setAttribute("aria-pressed", String(on));
});
$("clear").addEventListener("click", () => {
  $("frames").replaceChildren();
  hiddenFrames = 0;
  $("hidden-frames").textContent = "";
});
$("copy-python").addEventListener("click", () => copy("python", "Python"));
$("copy-js").addEventListener("click", () => copy("js", "JavaScript"));

start();
