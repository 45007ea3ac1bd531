// Log in, make an account, confirm it, set a new password: one form in five shapes.

import { $ } from "../shared/dom.js";

const SHAPES = {
  login: {
    title: "Welcome", lead: "Matches that outlive the machine they run on.",
    button: "Log in", busy: "Logging in…", asks: ["username", "password"],
    empty: "Enter a user name and a password.",
  },
  "sign-up": {
    title: "Make an account", lead: "A code is sent to your address.",
    button: "Sign up", busy: "Signing up…", asks: ["username", "email", "password"],
    empty: "Enter a user name, an e-mail address and a password.",
  },
  confirm: {
    title: "Check your e-mail", lead: "If the account is new, a code is on its way to your address.",
    button: "Confirm", busy: "Confirming…", asks: ["username", "code"],
    empty: "Enter your user name and the code.",
  },
  forgot: {
    title: "A new password", lead: "If there is such an account, a code is sent to its address.",
    button: "Send the code", busy: "Sending…", asks: ["username"],
    empty: "Enter your user name.",
  },
  reset: {
    title: "A new password", lead: "Enter the code from the e-mail, and the password you want.",
    button: "Set the password", busy: "Setting it…", asks: ["username", "code", "password"],
    empty: "Enter the code and a new password.",
  },
};

function wordsOf(error) {
  if (error.code === "unreachable") return "The server cannot be reached. Is it running?";
  if (error.status === 429) return `Too many attempts; wait ${error.retryAfterS || 30} s.`;
  if (error.code === "user_not_confirmed") return "This account is not confirmed yet: enter the code.";
  if (error.code === "bad_body") return "A user name has no spaces, an address has an @.";
  return error.message;
}

export class Account {
  #api; #done; #shape = "login";

  /** `api()`: the API, or null before its address is known; `done()`: somebody is logged in. */
  constructor({ api, done }) {
    this.#api = api;
    this.#done = done;
    $("login-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    for (const [id, shape] of [["to-sign-up", "sign-up"], ["to-forgot", "forgot"], ["to-login", "login"]]) {
      $(id).addEventListener("click", () => this.show(shape));
    }
    $("resend").addEventListener("click", () => this.#resend());
    this.show("login");
  }

  /** Show a shape of the form; `problem` is what went wrong before. */
  show(shape, { problem = "", said = "" } = {}) {
    const { title, lead, button, asks } = SHAPES[shape];
    this.#shape = shape;
    $("login-title").textContent = title;
    $("login-lead").textContent = lead;
    $("login-button").textContent = button;
    for (const part of document.querySelectorAll("#login [data-for]")) {
      part.classList.toggle("unwanted", !part.dataset.for.split(" ").includes(shape));
    }
    $("password").autocomplete = shape === "login" ? "current-password" : "new-password";
    if (shape !== "login") $("account-code").value = "";
    this.say({ problem, said });
    this.#field(asks.find((name) => !this.#field(name).value) ?? asks.at(-1)).focus();
  }

  say({ problem = "", said = "" }) {
    $("login-error").textContent = problem;
    $("login-said").textContent = said;
  }

  #field(name) { return $("login-form").elements[name]; }

  async #submit() {
    const shape = SHAPES[this.#shape];
    const given = Object.fromEntries(shape.asks.map((name) => [name, this.#field(name).value]));
    const empty = shape.asks.find((name) => !given[name]);
    this.say({ problem: empty ? shape.empty : "" });
    if (empty) return this.#field(empty).focus();
    $("login-button").disabled = true;
    $("login-button").textContent = shape.busy;
    try {
      await this.#send(given);
    } catch (error) {
      if (error.code === "user_not_confirmed") return this.show("confirm", { said: wordsOf(error) });
      this.say({ problem: wordsOf(error) });
      if (shape.asks.includes("password")) $("password").select();
    } finally {
      $("login-button").disabled = false;
      $("login-button").textContent = SHAPES[this.#shape].button;
    }
  }

  async #send({ username, password, email, code }) {
    const api = this.#api();
    switch (this.#shape) {
      case "login":
        await api.login(username, password);
        return this.#done();
      case "sign-up":
        await api.account("sign-up", { username, password, email });
        return this.show("confirm");
      case "confirm":
        await api.account("confirm", { username, code: code.trim() });
        if (!$("password").value) return this.show("login", { said: "Confirmed. Log in now." });
        await api.login(username, $("password").value);
        return this.#done();
      case "forgot":
        await api.account("forgot-password", { username });
        $("password").value = "";
        return this.show("reset");
      default:
        await api.account("reset-password", { username, code: code.trim(), password });
        return this.show("login", { said: "The password is set. Log in now." });
    }
  }

  async #resend() {
    const username = $("username").value;
    if (!username) return this.say({ problem: "Enter your user name." });
    try {
      await this.#api().account("resend", { username });
      this.say({ said: "If the account waits for a code, another one is on its way." });
    } catch (error) {
      this.say({ problem: wordsOf(error) });
    }
  }
}
