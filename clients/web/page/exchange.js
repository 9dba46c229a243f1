// Draws one exchange: what was said, its label, the reply below it, and how it went.
// Knows nothing about calls; what a button does is told by whoever draws.

import { el, say, set } from "./dom.js";
import { faceOf, meaningOf, number, percent, t } from "./words.js";

/** The node of one exchange. `actions` are again(exchange), full(exchange) and giveUp(exchange). */
export class ExchangeView {
  constructor(exchange, actions) {
    this.exchange = exchange;
    this.actions = actions;
    this.face = el("span", { class: "face", "aria-hidden": "true" });
    this.word = el("span", { class: "word" });
    this.meaning = el("span", { class: "meaning" });
    this.fill = el("span", { class: "fill" });
    this.labelFacts = el("span", { class: "facts" });
    this.label = el("div", { class: "label" }, this.face,
      el("div", { class: "verdict" }, el("p", {}, this.word, this.meaning, this.labelFacts), el("span", { class: "bar", "aria-hidden": "true" }, this.fill)));
    this.waiting = el("p", { class: "thinking" }, el("span", { class: "dots", "aria-hidden": "true" }, el("i"), el("i"), el("i")), el("span", {}));
    this.text = document.createTextNode("");
    this.reply = el("div", { class: "reply" }, this.text, el("span", { class: "caret", "aria-hidden": "true" }));
    this.facts = el("ul", { class: "facts" });
    this.notice = el("div", { class: "notice" });
    this.node = el("article", { class: "exchange" },
      el("h2", { class: "unseen" }), el("p", { class: "asked" }, exchange.text),
      el("div", { class: "answer" }, this.label, this.waiting, this.reply, this.facts, this.notice));
    this.draw();
  }

  /** Shows the exchange as it is now. */
  draw() {
    const { state, label, reply, end } = this.exchange;
    set(this.node, { "data-state": state, "aria-busy": String(["waiting", "warming", "labelled", "writing"].includes(state)) });
    say(this.node.firstChild, t("asked"));
    this.#drawLabel(label);
    set(this.waiting, { hidden: !["waiting", "warming", "labelled"].includes(state) });
    if (state !== "warming") say(this.waiting.lastChild, t("thinking"));
    set(this.reply, { hidden: !reply && state !== "done" });
    // Appending is cheap; a reply that was begun anew is not a longer one.
    if (reply.startsWith(this.text.data)) this.text.appendData(reply.slice(this.text.length));
    else this.text.data = reply;
    if (!reply && state === "done") this.text.data = t("emptyReply");
    this.#drawFacts(end);
    this.#drawNotice();
  }

  /** Says how long it has waited, and who is ahead, while nothing has come. */
  drawWait(elapsedS, lane) {
    const parts = [t("thinking")];
    if (elapsedS >= 1) parts.push(t("waited", { value: number(elapsedS) }));
    if (elapsedS >= 1 && lane?.depth > 1) parts.push(t("ahead", { count: lane.depth - 1, value: number(lane.wait_s, 1) }));
    say(this.waiting.lastChild, parts.join(" · "));
  }

  /** Says that nothing is hot yet, and for how long that is likely to last. */
  drawWarming(leftS) {
    say(this.waiting.lastChild, leftS > 0 ? t("warmingSoon", { value: number(Math.ceil(leftS)) }) : t("warmingLate"));
  }

  /** Counts down to the next try. */
  drawCountdown(leftS, attempt, most) {
    const line = this.notice.querySelector(".countdown");
    if (!line) return;
    say(line, leftS > 0 ? t("retrying", { value: number(Math.ceil(leftS)), attempt, most }) : t("retryNow"));
    const { retry_after_s: totalS } = this.exchange.error;
    this.notice.querySelector(".ring")?.style.setProperty("--left", totalS ? Math.max(0, leftS / totalS) : 0);
  }

  #drawLabel(label) {
    set(this.label, { hidden: !label });
    if (!label) return;
    say(this.face, faceOf(label.label) || "•");
    say(this.word, label.label);
    say(this.meaning, meaningOf(label.label));
    say(this.labelFacts, `${t("confidence", { value: percent(label.confidence) })} · ${t("after", { value: number(this.exchange.labelS, 2) })}`);
    this.fill.style.setProperty("--share", label.confidence);
  }

  #drawFacts(end) {
    const facts = [];
    const { firstS, speed, reply } = this.exchange;
    if (reply && firstS) facts.push(t("first", { value: number(firstS, 2) }));
    if (end) {
      const { usage } = end;
      if (speed) facts.push(t("speed", { value: number(speed, 1) }));
      if (usage.prompt_tokens) facts.push(t("cached", { cached: number(usage.cached_tokens), prompt: number(usage.prompt_tokens) }));
      if (end.queued_ms >= 50) facts.push(t("queued", { value: number(end.queued_ms / 1000, 1) }));
      if (end.served_by) facts.push(t("servedBy", { name: end.served_by }));
      if (end.finish_reason === "length") facts.push(t("lengthEnd"));
      if (end.truncated || this.exchange.label?.truncated) facts.push(t("truncated"));
    }
    const said = facts.join("\n");
    if (this.facts.dataset.said === said) return;
    this.facts.dataset.said = said;
    this.facts.replaceChildren(...facts.map((each) => el("li", {}, each)));
    set(this.facts, { hidden: facts.length === 0 });
  }

  #drawNotice() {
    const [tone, lines, buttons, ring] = this.#said();
    set(this.notice, { hidden: !tone, "data-tone": tone });
    const nodes = lines.map(([kind, text]) => el("p", { class: kind }, text));
    if (buttons.length) {
      nodes.push(el("p", { class: "actions" }, buttons.map(([name, act]) =>
        el("button", { type: "button", class: "small", onclick: () => act(this.exchange) }, t(name)))));
    }
    this.notice.replaceChildren(...(ring ? [el("span", { class: "ring", "aria-hidden": "true" })] : []), el("div", {}, nodes));
  }

  /** What there is to say beside the answer: [tone, lines, buttons, whether a ring counts down]. */
  #said() {
    const { state, error, end, reply, label } = this.exchange;
    const { again, full, giveUp } = this.actions;
    const small = error ? [["detail", this.#detail(error)]] : [];
    switch (state) {
      case "done":
        if (!end?.degraded) return [null, [], []];
        return ["warn", [["title", t("degraded")], ["", t("degradedText")]], [["fullAgain", full]]];
      case "stopped":
        return ["calm", [["", t(reply || label ? "stopped" : "stoppedEmpty")]], [["again", again]]];
      case "broken":
        return ["bad", [["title", t("broken")], ...small], [["again", again]]];
      case "refused":
        return ["warn", [["title", this.#why(error)], ["countdown", ""], ...small], [["giveUp", giveUp]], true];
      case "pending":
        return ["warn", [["title", t(error?.reason === "NO_INSTANCE" ? "warmingPending" : "awayPending")], ...small], [["giveUp", giveUp]]];
      case "failed": {
        const lines = [["title", this.#why(error)]];
        if (error.kind === "invalid" || error.kind === "refused" || error.kind === "failed") lines.push(["", error.message]);
        else if (error.retry_forbidden) lines.push(["", t("laterNever")]);
        return ["bad", [...lines, ...small], [["again", again]]];
      }
      default:
        return [null, [], []];
    }
  }

  #why(error) {
    return t(error.reason) ?? t(error.kind === "failed" ? "failedKind" : error.kind) ?? t("failed");
  }

  #detail(error) {
    const parts = [];
    if (error.reason || error.code) parts.push(t("code", { reason: error.reason || error.code }));
    if (error.id) parts.push(t("id", { id: error.id.slice(0, 8) }));
    return parts.join(" · ");
  }
}
