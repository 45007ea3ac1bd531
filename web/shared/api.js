// The HTTP API: log-in, tokens, what can be played.

/** An answer that is not the one asked for; `code` is the server's word, or "unreachable". */
export class ApiError extends Error {
  constructor(code, message, { status = 0, retryAfterS = 0 } = {}) {
    super(message);
    this.code = code;
    this.status = status;
    this.retryAfterS = retryAfterS;
  }
}

function problemOf(response, answer) {
  return new ApiError(answer.code ?? "failed", answer.detail ?? answer.reason ?? "The request failed.", {
    status: response.status,
    retryAfterS: Number(response.headers.get("Retry-After")) || 0,
  });
}

const TIMEOUT_MS = 12_000;
const RENEW_AHEAD_MS = 60_000;

export class Api {
  #url; #tokens = null; #endsMs = 0; #renewing = null;

  constructor(url) { this.#url = url.replace(/\/$/, ""); }

  get signedIn() { return this.#tokens !== null; }

  async login(username, password) {
    this.#keep(await this.#call("POST", "/v1/auth/login", { body: { username, password } }));
  }

  /** Forget the tokens, and let the server end the session; whether it can is not waited for. */
  logout() {
    const tokens = this.#tokens;
    this.#tokens = null;
    if (!tokens) return;
    const body = { refresh_token: tokens.refresh_token };
    this.#call("POST", "/v1/auth/logout", { body, token: tokens.access_token }).catch(() => {});
  }

  /** The access token, a new one where it ends soon or `fresh` is asked for. */
  async token(fresh = false) {
    if (!this.#tokens) throw Object.assign(new Error("signed out"), { final: true });
    if (fresh || this.#endsMs - Date.now() < RENEW_AHEAD_MS) {
      this.#renewing ??= this.#renew().finally(() => { this.#renewing = null; });
      await this.#renewing;
    }
    return this.#tokens.access_token;
  }

  async games() { return (await this.#call("GET", "/v1/games")).games; }

  /** What clients of a game send and see, as JSON Schema. */
  async schema(game) { return this.#call("GET", `/v1/games/${encodeURIComponent(game)}/schema`); }

  /** A call of the signed-in player. `query`: empty values are left out. */
  async ask(method, path, { query = {}, body, headers } = {}) {
    const given = Object.entries(query).filter(([, value]) => value !== "" && value !== undefined);
    const tail = given.length ? `?${new URLSearchParams(given)}` : "";
    return this.#call(method, path + tail, { body, headers, token: await this.token() });
  }

  async matches(game) { return (await this.ask("GET", "/v1/matches", { query: { game } })).matches; }

  /** Make, confirm or mend an account: `what` as in /v1/auth/<what>. */
  async account(what, body) { return this.#call("POST", `/v1/auth/${what}`, { body }); }

  /** What there is to see of a recorded match. */
  async replay(match) {
    const path = `/v1/replays/${encodeURIComponent(match)}`;
    return this.#call("GET", path, { token: await this.token() });
  }

  /** Its frames, part by part; `take` says false where nobody wants more. */
  async replayFrames(match, take) {
    const response = await fetch(`${this.#url}/v1/replays/${encodeURIComponent(match)}/frames`, {
      headers: { Authorization: `Bearer ${await this.token()}` },
    }).catch(() => { throw new ApiError("unreachable", "The server cannot be reached."); });
    if (!response.ok) throw problemOf(response, await response.json().catch(() => ({})));
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read()
        .catch(() => { throw new ApiError("unreachable", "The replay was cut off."); });
      if (done) return;
      if (!take(value)) {
        await reader.cancel();
        return;
      }
    }
  }

  /** Why new connections are not taken now, null where they are. Throws where nothing answers. */
  async notReady() {
    try {
      await this.#call("GET", "/readyz");
      return null;
    } catch (error) {
      if (error.status === 503) return error.message;
      throw error;
    }
  }

  #keep(tokens) {
    this.#tokens = tokens;
    this.#endsMs = Date.now() + tokens.expires_in * 1000;
  }

  async #renew() {
    try {
      const body = { refresh_token: this.#tokens.refresh_token };
      this.#keep(await this.#call("POST", "/v1/auth/refresh", { body }));
    } catch (error) {
      // A passing failure must not end a session whose token still holds.
      if (error.status === 401 || error.status === 403) {
        this.#tokens = null;
        error.final = true;
        throw error;
      }
      if (this.#endsMs < Date.now()) throw error;
    }
  }

  async #call(method, path, { body, token, headers: more = {} } = {}) {
    const headers = { ...more };
    if (body) headers["Content-Type"] = "application/json";
    if (token) headers.Authorization = `Bearer ${token}`;
    let response;
    try {
      response = await fetch(this.#url + path, {
        method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(TIMEOUT_MS),
      });
    } catch {
      throw new ApiError("unreachable", "The server cannot be reached.");
    }
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    throw problemOf(response, answer);
  }
}
