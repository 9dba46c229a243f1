// Remembers what was said in this tab, and which of it a call carries.
// Knows nothing about calls or the page.

const key = "tidegate.conversation";

/** Characters as the server counts them: one for each code point. */
export function characters(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** The exchanges of one conversation, oldest first; kept over a reload, for this tab alone. */
export class Conversation {
  constructor() {
    const kept = this.#kept();
    this.id = kept?.id ?? newId();
    this.exchanges = kept?.exchanges ?? [];
    for (const each of this.exchanges) {
      // Whatever ran when the page was left was cancelled by leaving.
      if (!isOver(each)) each.state = each.label || each.reply ? "broken" : "stopped";
    }
  }

  /** A new exchange at the end. */
  add(text) {
    const exchange = {
      text, state: "waiting", attempt: 0, acceptDegraded: true,
      label: null, labelS: 0, reply: "", firstS: 0, speed: 0, end: null, error: null,
    };
    this.exchanges.push(exchange);
    return exchange;
  }

  /** Begins another conversation. */
  clear() {
    this.id = newId();
    this.exchanges = [];
    this.save();
  }

  /** What a call for this exchange carries. The oldest pairs are left out when all would be too long. */
  turnsFor(exchange, most) {
    const before = this.exchanges.slice(0, this.exchanges.indexOf(exchange));
    const turns = before
      .filter((each) => isOver(each) && each.reply.trim() && !each.end?.degraded)
      .flatMap((each) => [
        { role: "user", content: each.text },
        { role: "assistant", content: each.reply },
      ]);
    turns.push({ role: "user", content: exchange.text });
    let length = turns.reduce((sum, each) => sum + characters(each.content), 0);
    while (turns.length > 1 && (length > most || turns.length > 300)) {
      length -= turns.splice(0, 2).reduce((sum, each) => sum + characters(each.content), 0);
    }
    return turns;
  }

  save() {
    try {
      sessionStorage.setItem(key, JSON.stringify({ id: this.id, exchanges: this.exchanges }));
    } catch { /* full, or off: it lasts as long as the page */ }
  }

  #kept() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(key));
      return Array.isArray(kept?.exchanges) ? kept : null;
    } catch {
      return null;
    }
  }
}

/** Whether nothing more will come of it by itself. */
export const isOver = (exchange) => ["done", "stopped", "broken", "failed"].includes(exchange.state);

// crypto.randomUUID is missing where a page was not loaded over https or from this machine.
const newId = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
