// The talk view: sends what is typed, follows the answer, stops it, and comes back when told to.
// Knows nothing about how an exchange looks.

import { Conversation, characters } from "./conversation.js";
import { byId, say, set } from "./dom.js";
import { ExchangeView } from "./exchange.js";
import { Refused, eventsOf } from "./stream.js";
import { faceOf, number, onLanguage, t } from "./words.js";

const mostTries = 3;
const ticksMs = 200;

/** Whether this view is the one that is seen: nothing scrolls under somebody who looks at the other. */
const isSeen = () => location.hash !== "#fleet";

export class Talk {
  #conversation = new Conversation();
  #views = new Map();
  #watch;
  #about = { characters: 32768, deadline_s: 60 };
  #running = null; // { exchange, controller, startedMs } while something is to come
  #input = byId("input");
  #actions = {
    again: (exchange) => this.#restart(exchange, {}),
    full: (exchange) => this.#restart(exchange, { acceptDegraded: false }),
    giveUp: () => this.stop(),
  };

  constructor(watch) {
    this.#watch = watch;
    byId("composer").addEventListener("submit", (event) => { event.preventDefault(); this.#send(); });
    byId("stop").addEventListener("click", () => { this.stop(); this.#input.focus(); });
    byId("fresh").addEventListener("click", () => this.#startAfresh());
    for (const button of document.querySelectorAll(".examples button")) {
      button.addEventListener("click", () => { this.#input.value = button.textContent; this.#measure(); this.#input.focus(); });
    }
    this.#input.addEventListener("input", () => this.#measure());
    this.#input.addEventListener("keydown", (event) => this.#onKey(event));
    addEventListener("keydown", (event) => { if (event.key === "Escape") this.stop(); });
    addEventListener("pagehide", () => this.#conversation.save());
    watch.addEventListener("change", () => this.#onFleet());
    setInterval(() => this.#tick(), ticksMs);
    for (const exchange of this.#conversation.exchanges) this.#view(exchange);
    onLanguage(() => this.#redraw());
    this.#measure();
    if (isSeen() && this.#conversation.exchanges.length) scrollTo(0, document.body.scrollHeight);
  }

  /** What the gateway allows. */
  learn(about) {
    this.#about = about;
    this.#measure();
    this.#onFleet();
  }

  /** Cancels what is to come; what came stays. */
  stop() {
    if (!this.#running) return;
    const { exchange, controller } = this.#running;
    this.#running = null;
    controller.abort();
    this.#settle(exchange, "stopped");
  }

  #onKey(event) {
    // While an input method composes, Enter chooses a word.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.#send();
  }

  #send() {
    const text = this.#input.value.trim();
    if (!text || this.#running || this.#isTooLong()) return;
    this.#input.value = "";
    this.#measure();
    this.#run(this.#conversation.add(text));
  }

  #restart(exchange, wishes) {
    if (this.#running) return;
    Object.assign(exchange, { state: "waiting", attempt: 0, label: null, reply: "", firstS: 0, speed: 0, end: null, error: null, acceptDegraded: true }, wishes);
    this.#run(exchange);
    this.#input.focus();
  }

  #startAfresh() {
    this.stop();
    this.#conversation.clear();
    this.#views.clear();
    byId("exchanges").replaceChildren();
    this.#redraw();
    this.#input.focus();
  }

  /** Makes one try, and decides what comes of it. */
  async #run(exchange) {
    const controller = new AbortController();
    const running = { exchange, controller, startedMs: performance.now() };
    this.#running = running;
    exchange.state = "waiting";
    this.#draw(exchange, exchange === this.#conversation.exchanges.at(-1));
    let outcome;
    try {
      outcome = await this.#follow(exchange, running);
    } catch (error) {
      outcome = error instanceof Refused ? error.fields : { kind: "away", reason: "", message: "", from: "gateway" };
    }
    if (this.#running !== running) return; // stopped meanwhile
    if (outcome === null) {
      this.#running = null;
      this.#settle(exchange, "done");
      return;
    }
    this.#onError(running, outcome);
  }

  /** Takes in the events; null when it ended well, else the error. */
  async #follow(exchange, running) {
    const elapsedS = () => (performance.now() - running.startedMs) / 1000;
    const events = eventsOf("/api/judge", {
      method: "POST",
      headers: { "content-type": "application/json" },
      signal: running.controller.signal,
      body: JSON.stringify({
        turns: this.#conversation.turnsFor(exchange, this.#about.characters),
        conversation: this.#conversation.id,
        deadline_s: this.#about.deadline_s,
        accept_degraded: exchange.acceptDegraded,
        attempt: exchange.attempt,
      }),
    });
    for await (const [name, fields] of events) {
      if (this.#running !== running) return null;
      if (name === "warming") {
        exchange.state = "warming";
        running.readyMs = performance.now() + fields.expected_s * 1000;
        this.#tick();
        this.#announce(t("warmingSoon", { value: number(Math.ceil(fields.expected_s)) }));
      } else if (name === "sentiment") {
        Object.assign(exchange, { label: fields, labelS: elapsedS(), state: "labelled" });
        this.#announce(`${t("label")}: ${fields.label} ${faceOf(fields.label)}`);
      } else if (name === "delta") {
        exchange.firstS ||= elapsedS();
        exchange.reply += fields.text;
        exchange.state = "writing";
      } else if (name === "end") {
        const { completion_tokens: tokens } = fields.usage;
        const writingS = elapsedS() - exchange.firstS;
        // The first token's time is not part of the speed.
        Object.assign(exchange, { end: fields, speed: tokens > 1 && writingS > 0.05 ? (tokens - 1) / writingS : 0 });
        return null;
      } else if (name === "error") {
        return fields;
      }
      this.#draw(exchange);
    }
    return { kind: "unavailable", reason: "", message: "" };
  }

  #onError(running, error) {
    const { exchange } = running;
    exchange.error = error;
    if (exchange.label || exchange.reply) {
      this.#running = null;
      this.#settle(exchange, "broken");
    } else if (error.kind === "away" || error.reason === "NO_INSTANCE" || error.reason === "DRAINING") {
      exchange.state = "pending";
      // What we know of the fleet may be older than this error.
      running.notBeforeMs = performance.now() + 1000;
      this.#draw(exchange);
      this.#announce(t("awayPending"));
    } else if (error.retry_after_s != null && !error.retry_forbidden && exchange.attempt < mostTries) {
      exchange.state = "refused";
      running.dueMs = performance.now() + error.retry_after_s * 1000;
      this.#draw(exchange);
      this.#tick();
      this.#announce(t(error.reason) ?? t("overloaded"));
    } else {
      this.#running = null;
      this.#settle(exchange, "failed");
    }
  }

  #tick() {
    const running = this.#running;
    if (!running) return;
    const { exchange } = running;
    const view = this.#views.get(exchange);
    const now = performance.now();
    if (exchange.state === "warming") {
      view.drawWarming((running.readyMs - now) / 1000);
    } else if (exchange.state === "waiting") {
      view.drawWait((now - running.startedMs) / 1000, this.#watch.fleet?.lanes.find((each) => each.lane === "chat"));
    } else if (exchange.state === "refused") {
      view.drawCountdown((running.dueMs - now) / 1000, exchange.attempt + 1, mostTries);
      if (now >= running.dueMs) {
        exchange.attempt += 1;
        this.#run(exchange);
      }
    } else if (exchange.state === "pending" && now >= running.notBeforeMs && this.#watch.hot.length) {
      this.#run(exchange);
    }
  }

  #onFleet() {
    const { lost } = this.#watch;
    set(byId("away"), { hidden: !lost });
    if (lost) say(byId("away"), t(lost === "balancer" ? "awayText" : "gatewayAway", { address: this.#about.balancer ?? "" }));
  }

  #settle(exchange, state) {
    exchange.state = state;
    this.#conversation.save();
    this.#draw(exchange);
    if (state === "done") this.#announce(exchange.reply);
    else this.#announce(t(state));
  }

  #view(exchange) {
    const view = new ExchangeView(exchange, this.#actions);
    this.#views.set(exchange, view);
    byId("exchanges").append(view.node);
    return view;
  }

  #draw(exchange, isNew = false) {
    // Follows the end only for who looks at it.
    const isAtEnd = innerHeight + scrollY >= document.body.scrollHeight - 80;
    (this.#views.get(exchange) ?? this.#view(exchange)).draw();
    this.#drawState();
    if (isSeen() && (isNew || isAtEnd)) scrollTo(0, document.body.scrollHeight);
  }

  #redraw() {
    for (const view of this.#views.values()) view.draw();
    this.#drawState();
    this.#measure();
    this.#onFleet();
  }

  #drawState() {
    const isEmpty = this.#conversation.exchanges.length === 0;
    set(byId("hero"), { hidden: !isEmpty });
    set(byId("fresh"), { hidden: isEmpty });
    const hadFocus = [byId("send"), byId("stop")].includes(document.activeElement);
    set(byId("send"), { hidden: Boolean(this.#running) });
    set(byId("stop"), { hidden: !this.#running });
    if (hadFocus) this.#input.focus();
  }

  #isTooLong() {
    return this.#input.value.length > this.#about.characters && characters(this.#input.value.trim()) > this.#about.characters;
  }

  /** Grows the input with its text, and says when there is too much of it. */
  #measure() {
    const { value, style } = this.#input;
    const most = number(this.#about.characters);
    const isTooLong = this.#isTooLong();
    const isNear = value.length > this.#about.characters * 0.9;
    say(byId("count"), isTooLong ? t("tooLong", { most, count: number(characters(value.trim())) }) : isNear ? t("count", { most, count: number(characters(value)) }) : "");
    set(this.#input, { "aria-invalid": isTooLong ? "true" : null });
    set(byId("send"), { disabled: isTooLong || !value.trim() });
    // Most browsers do it themselves, whatever the size of the text.
    if (CSS.supports("field-sizing", "content")) return;
    style.height = "auto";
    style.height = `${this.#input.scrollHeight}px`;
  }

  #announce(text) {
    say(byId("announce"), text);
  }
}

