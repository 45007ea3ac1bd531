// What is known of the cluster: the nodes now, and the samples of the last hour.

import { Poller } from "./poll.js";

export const POLL_MS = 5_000;
const STALE_MS = 13_000;
const KEPT_MS = 3_600_000;
const OVERLAP_MS = 10_000;
const GONE_MS = 60_000;
const SOON_MS = [0, 1_000, 2_500];

export class Overview extends EventTarget {
  nodes = [];
  maintenance = { on: false };
  samples = [];
  queue = [];
  samplesKnown = "known";
  queueKnown = "known";
  sampleMs = 5_000;
  #poller; #heardMs = 0; #offsetMs = 0; #problem = null; #timer = 0;

  constructor(api) {
    super();
    this.#poller = new Poller(() => this.#ask(api), POLL_MS, (found, error) => this.#told(found, error));
  }

  start() {
    this.#poller.start();
    this.#timer = setInterval(() => this.#changed(), 1_000);
  }

  stop() {
    this.#poller.stop();
    clearInterval(this.#timer);
  }

  /** Something was changed: see what came of it soon. */
  refresh() {
    for (const afterMs of SOON_MS) setTimeout(() => this.#poller.now(), afterMs);
  }

  /** The server's wall time. */
  get nowMs() { return Date.now() + this.#offsetMs; }

  get heard() { return this.#heardMs > 0; }

  get agoMs() { return performance.now() - this.#heardMs; }

  /** True where what is shown may no longer be so. */
  get stale() { return this.heard && this.agoMs > STALE_MS; }

  get problem() { return this.#problem; }

  /** The newest look of the workers, null where there is none of the last minute. */
  get latestQueue() {
    const last = this.queue.at(-1);
    return last && this.nowMs - last.at_ms < 60_000 ? last : null;
  }

  #ask(api) {
    const [sample, look] = [this.samples.at(-1)?.at_ms, this.queue.at(-1)?.at_ms];
    // The newest look of the workers may still get a greater age, so it is asked for again; one that
    // is far behind is of workers that are gone.
    const newest = sample && look && sample - look < GONE_MS ? Math.min(sample, look) : sample ?? look ?? 0;
    return api.get("/overview", { after_ms: Math.max(0, newest - OVERLAP_MS) });
  }

  #told(found, error) {
    this.#problem = error;
    if (found) {
      this.#heardMs = performance.now();
      this.#offsetMs = found.at_ms - Date.now();
      this.nodes = found.nodes;
      this.maintenance = found.maintenance;
      this.sampleMs = found.sample_ms;
      this.samplesKnown = found.samples_known;
      this.queueKnown = found.queue_known;
      this.samples = this.#joined(this.samples, found.samples);
      this.queue = this.#joined(this.queue, found.queue);
    }
    this.#changed();
    if (found) this.dispatchEvent(new Event("news"));
  }

  #joined(known, fresh) {
    if (!fresh.length) return known;
    const oldest = this.nowMs - KEPT_MS;
    return [...known.filter((one) => one.at_ms < fresh[0].at_ms && one.at_ms > oldest), ...fresh];
  }

  #changed() { this.dispatchEvent(new Event("age")); }
}
