// Keeps the last minutes of what the fleet view draws, and makes rates of counts.
// Knows nothing about drawing.

const spanMs = 5 * 60 * 1000;
const windowMs = 5000;
const gapMs = 3500;

/** Samples over time, oldest first; a sample is { atMs, …figures }, and null figures are a gap. */
export class Series {
  samples = [];
  #counts = [];

  /** Takes in what is so now; `fleet` null means that nobody could tell. */
  add(atMs, fleet) {
    const last = this.samples.at(-1);
    if (last && atMs - last.atMs > gapMs) this.samples.push({ atMs: last.atMs + 1 });
    this.samples.push(fleet ? { atMs, ...this.#figures(atMs, fleet) } : { atMs });
    while (this.samples[0].atMs < atMs - spanMs - gapMs) this.samples.shift();
  }

  /** How much of the span there is something to draw of: whole minutes, at most all of it. */
  get spanMs() {
    const ageMs = this.samples.length ? this.latest.atMs - this.samples[0].atMs : 0;
    return Math.min(spanMs, Math.ceil(Math.max(1, ageMs) / 60000) * 60000);
  }

  get latest() {
    return this.samples.at(-1) ?? {};
  }

  #figures(atMs, fleet) {
    const sum = (name) => fleet.lanes.reduce((all, lane) => all + lane.counts[name], 0);
    const counts = { atMs, full: sum("full"), degraded: sum("degraded"), shed: sum("shed") + sum("expired") };
    const before = this.#counts.at(-1);
    // A balancer that was started anew counts from nothing; after a gap there is no rate either.
    if (before && (counts.full < before.full || counts.shed < before.shed || atMs - before.atMs > 2 * windowMs)) this.#counts = [];
    this.#counts.push(counts);
    while (this.#counts.length > 2 && this.#counts[1].atMs <= atMs - windowMs) this.#counts.shift();
    const [first] = this.#counts;
    const spanS = (atMs - first.atMs) / 1000;
    const rate = (name) => (spanS >= 0.9 ? (counts[name] - first[name]) / spanS : null);
    const hot = fleet.instances.filter((each) => each.phase === "hot");
    const lane = (name) => fleet.lanes.find((each) => each.lane === name);
    return {
      full: rate("full"), degraded: rate("degraded"), shed: rate("shed"),
      waitSentiment: lane("sentiment")?.wait_s, waitChat: lane("chat")?.wait_s,
      depthSentiment: lane("sentiment")?.depth, depthChat: lane("chat")?.depth,
      loadSentiment: load(hot, "sentiment"), loadChat: load(hot, "chat"),
    };
  }
}

/** The share of a lane's slots that is taken, in percent; nothing where nobody serves it. */
function load(instances, lane) {
  const loads = instances.flatMap((each) => each.lanes.filter((one) => one.lane === lane));
  const slots = loads.reduce((all, each) => all + each.slots, 0);
  return slots ? (100 * loads.reduce((all, each) => all + each.in_flight, 0)) / slots : null;
}
