// The dialog in which a match is made: mode, title, who may come, and what the mode lets one choose.

import { $, make, option, titleOf, wrap } from "../shared/dom.js";

/** An option's value as people say it. */
function words(name, value, values) {
  if (values.length === 2 && values.includes(0) && values.includes(1)) return value ? "yes" : "no";
  if (name.endsWith("_ms")) return `${value / 1000} s`;
  return value === 0 ? "no limit" : String(value);
}

export class CreateDialog {
  #api; #created; #game = null; #key = "";

  /** `created({ id, code })`: it is there, with a seat kept. */
  constructor({ api, created }) {
    this.#api = api;
    this.#created = created;
    $("create-mode").addEventListener("change", () => this.#showOptions());
    $("create-cancel").addEventListener("click", () => $("create").close());
    for (const each of document.querySelectorAll("[name=visibility]")) {
      each.addEventListener("change", () => this.#showPassword());
    }
    $("create-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#create();
    });
  }

  /** `game`: as `GET /v1/games` tells it. */
  open(game) {
    if (!game) return;
    this.#game = game;
    this.#key = crypto.randomUUID(); // one press of the button is one match, however often it is sent
    $("create-mode").replaceChildren(...game.modes.filter(({ name }) => name !== "bench")
      .map(({ name, title }) => option(name, `${titleOf(name)} – ${title}`)));
    $("create-problem").textContent = $("create-password").value = "";
    this.#showOptions();
    this.#showPassword();
    $("create").showModal();
  }

  get #mode() { return this.#game.modes.find(({ name }) => name === $("create-mode").value); }

  get #visibility() { return new FormData($("create-form")).get("visibility"); }

  #showPassword() { $("create-password-row").hidden = this.#visibility !== "private"; }

  #showOptions() {
    const { choices, options } = this.#mode;
    $("create-options").replaceChildren(...Object.entries(choices).map(([name, values]) => {
      const label = make("label", titleOf(name.replace(/_ms$/, "")));
      const select = make("select");
      label.htmlFor = select.id = `create-option-${name}`;
      select.dataset.option = name;
      select.append(...values.map((value) => option(JSON.stringify(value), words(name, value, values))));
      select.value = JSON.stringify(options[name]);
      return wrap("div", "", label, select);
    }));
  }

  async #create() {
    const password = $("create-password").value;
    const visibility = this.#visibility;
    const chosen = [...$("create-options").querySelectorAll("select")];
    const body = {
      game: this.#game.name, mode: this.#mode.name, title: $("create-name").value.trim(), visibility,
      options: Object.fromEntries(chosen.map((each) => [each.dataset.option, JSON.parse(each.value)])),
      ...(visibility === "private" && password && { password }),
    };
    $("create-do").disabled = true;
    $("create-problem").textContent = "";
    try {
      const headers = { "Idempotency-Key": this.#key };
      const made = await this.#api().ask("POST", "/v1/matches", { body, headers });
      $("create").close();
      this.#created(made);
    } catch (error) {
      this.#key = crypto.randomUUID();
      $("create-problem").textContent = error.message;
    } finally {
      $("create-do").disabled = false;
    }
  }
}
