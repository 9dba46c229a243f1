// Follows the fleet for the whole page, and comes back by itself when it is lost.
// Knows nothing about how it is shown.

import { eventsOf } from "./stream.js";

const firstDelayMs = 500;
const longestDelayMs = 4000;

/** The fleet as it was last heard of: `fleet` is null while nobody answers, `lost` says who is away. */
export class Watch extends EventTarget {
  fleet = null;
  lost = null;
  #stopping = null;

  /** Follows while the tab is seen: a browser has few connections, and hidden tabs would hold them. */
  start() {
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#pause() : this.#resume()));
    addEventListener("pagehide", () => this.#pause());
    addEventListener("pageshow", () => this.#resume());
    this.#resume();
  }

  get hot() {
    return this.fleet?.instances.filter((each) => each.phase === "hot") ?? [];
  }

  get isWarming() {
    return this.fleet?.instances.some((each) => each.phase === "warming") ?? false;
  }

  #pause() {
    this.#stopping?.abort();
    this.#stopping = null;
  }

  #resume() {
    if (this.#stopping || document.hidden) return;
    this.#stopping = new AbortController();
    this.#follow(this.#stopping.signal);
  }

  async #follow(signal) {
    let delayMs = firstDelayMs;
    while (!signal.aborted) {
      let lost = "gateway";
      try {
        // Whoever began to tell was there; what ends in silence after that is the balancer's stream.
        for await (const [name, fields] of eventsOf("/api/fleet", { signal })) {
          if (name === "fleet") {
            delayMs = firstDelayMs;
            lost = "balancer";
            this.#tell(fields, null);
          } else if (name === "error") {
            lost = "balancer";
          }
        }
      } catch {
        lost = "gateway";
      }
      if (signal.aborted) return;
      this.#tell(null, lost);
      // Spread out, so that many tabs don't come back in one moment.
      await new Promise((done) => setTimeout(done, delayMs * (0.8 + 0.4 * Math.random())));
      delayMs = Math.min(longestDelayMs, delayMs * 2);
    }
  }

  #tell(fleet, lost) {
    this.fleet = fleet;
    this.lost = lost;
    this.dispatchEvent(new Event("change"));
  }
}
