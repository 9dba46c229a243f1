// A small line chart in SVG: a title, a legend with the latest figures, and lines over the last minutes.
// Knows nothing about where its figures come from.

import { el, say, set, svg } from "./dom.js";
import { number, t } from "./words.js";

const width = 320;
const height = 96;

/** lines: [{ name, figure, tone }]; `figure` is the sample's field, `tone` one of a, b, c. `most` fixes the scale. */
export class Chart {
  #lines;
  #title;
  #most;

  constructor(title, lines, most = null) {
    this.#most = most;
    this.#title = title;
    this.heading = el("h3", {});
    this.top = el("span", { class: "scale" });
    this.from = el("span", {});
    this.until = el("span", {});
    this.svg = svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", focusable: "false" });
    for (const share of [0, 0.5, 1]) {
      this.svg.append(svg("line", { class: "grid", x1: 0, x2: width, y1: share * (height - 1) + 0.5, y2: share * (height - 1) + 0.5 }));
    }
    this.#lines = lines.map((line) => ({
      ...line,
      area: svg("path", { class: `area ${line.tone}` }),
      path: svg("path", { class: `line ${line.tone}` }),
      words: el("span", {}),
      value: el("b", {}),
    }));
    for (const line of [...this.#lines].reverse()) this.svg.append(line.area, line.path);
    this.node = el("figure", { class: "chart" }, this.heading,
      el("ul", { class: "legend" }, this.#lines.map((line) => el("li", { class: line.tone }, el("i", { "aria-hidden": "true" }), line.words, line.value))),
      el("div", { class: "plot" }, this.top, this.svg),
      el("p", { class: "axis", "aria-hidden": "true" }, this.from, this.until));
  }

  /** Draws the samples of the last `spanMs` before `nowMs`. */
  draw(samples, nowMs, spanMs) {
    say(this.heading, t(this.#title));
    say(this.from, t("ago", { value: spanMs / 60000 }));
    say(this.until, t("now"));
    const most = this.#most ?? ceiling(Math.max(0, ...samples.flatMap((each) => this.#lines.map((line) => each[line.figure] ?? 0))));
    say(this.top, number(most, most < 1 ? 1 : 0));
    const x = (atMs) => ((atMs - nowMs) / spanMs + 1) * width;
    const y = (value) => (1 - value / most) * (height - 3) + 1.5;
    const latest = samples.at(-1) ?? {};
    const told = [];
    for (const line of this.#lines) {
      const { path, area } = traced(samples, line.figure, x, y);
      set(line.path, { d: path });
      set(line.area, { d: line.tone === "a" ? area : "" });
      const value = latest[line.figure];
      const words = value == null ? "–" : number(value, value < 10 && !Number.isInteger(value) ? 1 : 0);
      say(line.words, t(line.name));
      say(line.value, words);
      told.push(`${t(line.name)} ${words}`);
    }
    set(this.svg, { "aria-label": t("chartSummary", { title: t(this.#title), values: told.join(", ") }) });
  }
}

/** The path of one figure, in pieces where there are gaps, and the area below it. */
function traced(samples, figure, x, y) {
  let path = "";
  let area = "";
  let startX = null;
  let lastX = null;
  const close = () => { if (startX != null) area += `L${lastX} ${height}L${startX} ${height}Z`; startX = null; };
  for (const each of samples) {
    const value = each[figure];
    if (value == null) { close(); continue; }
    const point = `${x(each.atMs).toFixed(1)} ${y(value).toFixed(1)}`;
    path += `${startX == null ? "M" : "L"}${point}`;
    area += `${startX == null ? "M" : "L"}${point}`;
    lastX = x(each.atMs).toFixed(1);
    startX ??= lastX;
  }
  close();
  return { path, area };
}

/** A round number at or above; 1 for a chart of nothing. */
function ceiling(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.max(-1, Math.floor(Math.log10(value)));
  return [1, 2, 3, 4, 6, 8, 10].map((step) => step * power).find((step) => step >= value * 0.999) ?? value;
}
