// The fleet view: instances, lanes, charts and the scaler's decisions, as the balancer tells them.
// Knows nothing about how they are learnt.

import { Chart } from "./chart.js";
import { byId, el, say } from "./dom.js";
import { Series } from "./series.js";
import { number, onLanguage, t } from "./words.js";

const phases = ["hot", "warming", "draining", "cold", "unspecified", "gone"];
const ends = [["full", "full"], ["degraded", "degradedCount"], ["shed", "shed"], ["expired", "expired"], ["cancelled", "cancelled"], ["failed", "failedCount"]];
const remembersGoneMs = 60000;
const sampleMs = 1000;

export class FleetView {
  #watch;
  #series = new Series();
  #known = new Map();
  #charts = [
    new Chart("chartGoodput", [{ name: "full", figure: "full", tone: "a" }, { name: "degradedCount", figure: "degraded", tone: "b" }, { name: "shed", figure: "shed", tone: "c" }]),
    new Chart("chartLoad", [{ name: "chat", figure: "loadChat", tone: "a" }, { name: "sentiment", figure: "loadSentiment", tone: "b" }], 100),
    new Chart("chartWait", [{ name: "chat", figure: "waitChat", tone: "a" }, { name: "sentiment", figure: "waitSentiment", tone: "b" }]),
    new Chart("chartDepth", [{ name: "chat", figure: "depthChat", tone: "a" }, { name: "sentiment", figure: "depthSentiment", tone: "b" }]),
  ];

  constructor(watch) {
    this.#watch = watch;
    byId("charts").append(...this.#charts.map((each) => each.node));
    watch.addEventListener("change", () => this.#onChange());
    setInterval(() => this.#sample(), sampleMs);
    onLanguage(() => this.draw());
  }

  /** Shows what is known now; nothing is drawn while the view is not seen. */
  draw() {
    if (byId("fleet").hidden) return;
    this.#drawCharts();
    const { fleet } = this.#watch;
    this.#drawTiles(fleet);
    this.#drawInstances();
    if (!fleet) return;
    const source = [t("source", { version: fleet.version, discovery: t(fleet.discovery) ?? fleet.discovery })];
    if (fleet.worker) source.push(t("worker", { worker: fleet.worker }));
    say(byId("source"), source.join(" · "));
    keyed(byId("lanes"), fleet.lanes.map((lane) => [lane.lane, lane]), drawLane);
    this.#drawScaler(fleet);
  }

  #onChange() {
    const now = Date.now();
    const { fleet } = this.#watch;
    if (fleet) {
      const here = new Set(fleet.instances.map((each) => each.id));
      for (const each of fleet.instances) this.#known.set(each.id, { ...each, goneMs: null });
      for (const [id, each] of this.#known) {
        if (!here.has(id) && each.goneMs == null) this.#known.set(id, { ...each, phase: "gone", in_flight: 0, goneMs: now });
      }
    }
    this.draw();
  }

  #sample() {
    const now = Date.now();
    for (const [id, each] of this.#known) if (each.goneMs != null && now - each.goneMs > remembersGoneMs) this.#known.delete(id);
    this.#series.add(now, this.#watch.fleet);
    if (!byId("fleet").hidden) {
      this.#drawCharts();
      this.#drawTiles(this.#watch.fleet);
    }
  }

  #drawCharts() {
    for (const each of this.#charts) each.draw(this.#series.samples, Date.now(), this.#series.spanMs);
  }

  #drawTiles(fleet) {
    const { latest } = this.#series;
    const rate = (value) => (value == null ? "–" : number(value, 1));
    const all = (figure) => (fleet ? number(fleet.lanes.reduce((sum, lane) => sum + figure(lane), 0)) : "–");
    const tiles = [
      ["tileHot", fleet ? number(this.#watch.hot.length) : "–", ""],
      ["tileFlight", fleet ? number(fleet.instances.reduce((sum, each) => sum + each.in_flight, 0)) : "–",
        fleet ? t("ofSlots", { count: number(this.#watch.hot.reduce((sum, each) => sum + each.slots, 0)) }) : ""],
      ["tileWaiting", all((lane) => lane.depth), ""],
      ["tileGoodput", rate(latest.full == null ? null : latest.full + latest.degraded), ""],
      ["tileShed", rate(latest.shed), ""],
    ];
    keyed(byId("tiles"), tiles.map((tile) => [tile[0], tile]), (node, [name, value, aside]) => {
      if (!node.firstChild) node.append(el("dt", {}), el("dd", {}, el("span", { class: "figure" }), el("span", { class: "aside" })));
      say(node.firstChild, t(name));
      say(node.lastChild.firstChild, value);
      say(node.lastChild.lastChild, aside);
    });
  }

  #drawInstances() {
    const list = [...this.#known.values()].sort((a, b) =>
      phases.indexOf(a.phase) - phases.indexOf(b.phase) || (a.id < b.id ? -1 : 1));
    keyed(byId("instances"), list.map((each) => [each.id, each]), drawInstance, "li");
    if (!list.length) byId("instances").replaceChildren(el("li", { class: "none" }, t("noInstances")));
  }

  #drawScaler(fleet) {
    const nodes = [];
    if (!fleet.scales.length) nodes.push(el("p", { class: "none" }, t("noScaler")));
    else if (!fleet.is_leading) nodes.push(el("p", { class: "none" }, t("notLeading")));
    for (const scale of fleet.scales) {
      const facts = [t("launched", { role: t(scale.role), count: scale.launched, least: scale.minimum, most: scale.maximum })];
      if (scale.pinned) facts.push(t("pinned", { count: scale.pinned }));
      if (scale.warm_up_s) facts.push(t("warmUp", { value: number(scale.warm_up_s, 1) }));
      nodes.push(el("h3", {}, facts.join(" · ")));
      if (!scale.decisions.length) nodes.push(el("p", { class: "none" }, t("noDecisions")));
      else nodes.push(el("ol", { class: "decisions" }, scale.decisions.map((each) => {
        const at = new Date(each.at_s * 1000);
        return el("li", {}, el("time", { datetime: at.toISOString() }, at.toLocaleTimeString()),
          el("b", { class: each.after > each.before ? "up" : "down" }, `${each.before} → ${each.after}`), el("span", {}, each.reason));
      })));
    }
    const said = JSON.stringify([fleet.scales, fleet.is_leading, t("scaler")]);
    if (byId("scaler").dataset.said === said) return;
    byId("scaler").dataset.said = said;
    byId("scaler").replaceChildren(...nodes);
  }
}

/** Keeps one child for each key, in order, and draws its item into it; nodes stay, so that nothing flickers. */
function keyed(parent, items, draw, name = "div") {
  const had = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  const nodes = items.map(([key, item]) => {
    const node = had.get(key) ?? el(name, { "data-key": key });
    draw(node, item);
    return node;
  });
  if (nodes.length !== parent.children.length || nodes.some((node, at) => parent.children[at] !== node)) parent.replaceChildren(...nodes);
}

function drawInstance(node, instance) {
  const { id, address, phase, role, model, lanes } = instance;
  node.dataset.phase = phase;
  const said = JSON.stringify([instance, t(phase)]);
  if (node.dataset.said === said) return;
  node.dataset.said = said;
  node.replaceChildren(
    el("span", { class: "phase" }, el("i", { "aria-hidden": "true" }), t(phase)),
    el("div", { class: "who" }, el("b", {}, id), el("span", {}, [address, t(role), model].filter(Boolean).join(" · "))),
    el("div", { class: "loads" }, lanes.filter((lane) => lane.slots).map((lane) => load(lane))),
  );
}

/** Calls in flight of the slots of one lane, as marks that can be counted. */
function load({ lane, slots, in_flight: inFlight }) {
  const bar = el("span", { class: "meter", "aria-hidden": "true" }, el("span", { class: "fill" }));
  bar.firstChild.style.setProperty("--share", Math.min(1, inFlight / slots));
  return el("p", { class: "load" }, el("span", {}, t(lane === "degraded" ? "degradedCount" : lane) ?? lane), bar, el("b", {}, `${inFlight}/${slots}`));
}

function drawLane(node, lane) {
  const said = JSON.stringify([lane, t("lanes")]);
  if (node.dataset.said === said) return;
  node.dataset.said = said;
  const most = Math.max(1, ...Object.values(lane.shed_by_reason));
  const reasons = Object.entries(lane.shed_by_reason).sort((a, b) => b[1] - a[1]);
  node.className = "lane";
  node.replaceChildren(
    el("h3", {}, t(lane.lane) ?? lane.lane),
    el("p", { class: "now" }, [t("offered", { count: number(lane.counts.offered) }), t("depth", { count: number(lane.depth) }), lane.wait_s > 0.05 ? t("wait", { value: number(lane.wait_s, 1) }) : t("noWait")].join(" · ")),
    el("dl", { class: "counts" }, ends.map(([count, name]) =>
      el("div", {}, el("dt", {}, t(name)), el("dd", {}, number(lane.counts[count]))))),
    el("h4", {}, t("sheds")),
    reasons.length
      ? el("ul", { class: "reasons" }, reasons.map(([reason, count]) => {
          const fill = el("span", { class: "fill" });
          fill.style.setProperty("--share", count / most);
          return el("li", {}, el("span", { class: "reason" }, reason), el("span", { class: "why" }, t(reason) ?? ""), el("b", {}, number(count)), el("span", { class: "meter", "aria-hidden": "true" }, fill));
        }))
      : el("p", { class: "none" }, t("noSheds")),
  );
}
