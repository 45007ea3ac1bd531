// The operators' calls. Signing in and renewing tokens is what every page of this server does.

import { Api, ApiError } from "../shared/api.js";

const TIMEOUT_MS = 15_000;

export class ConsoleApi {
  #url; #session;

  constructor(url) {
    this.#url = url.replace(/\/$/, "");
    this.#session = new Api(url);
  }

  get signedIn() { return this.#session.signedIn; }

  login(username, password) { return this.#session.login(username, password); }

  logout() { this.#session.logout(); }

  token(fresh = false) { return this.#session.token(fresh); }

  games() { return this.#session.games(); }

  get(path, query = {}) {
    const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
    const text = new URLSearchParams(given).toString();
    return this.#call("GET", text ? `${path}?${text}` : path);
  }

  post(path, body) { return this.#call("POST", path, body); }

  put(path, body) { return this.#call("PUT", path, body); }

  delete(path) { return this.#call("DELETE", path); }

  /** What became of a match: what every player may ask. */
  result(match) { return this.#call("GET", `/v1/matches/${part(match)}/result`, null, ""); }

  async #call(method, path, body, base = "/v1/admin") {
    const headers = { Authorization: `Bearer ${await this.token()}` };
    if (body) headers["Content-Type"] = "application/json";
    let response;
    try {
      response = await fetch(this.#url + base + path, {
        method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(TIMEOUT_MS),
      });
    } catch {
      throw new ApiError("unreachable", "The server cannot be reached.");
    }
    const answer = response.status === 204 ? {} : await response.json().catch(() => ({}));
    if (response.ok) return answer;
    throw new ApiError(answer.code ?? "failed", answer.detail ?? "The request failed.", {
      status: response.status, retryAfterS: Number(response.headers.get("Retry-After")) || 0,
    });
  }
}

/** A part of a path, whatever somebody is called. */
export const part = (text) => encodeURIComponent(text);
