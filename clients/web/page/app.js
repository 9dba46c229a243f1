// Puts the page together: the two views, the language, the look, and how the service is.

import { byId, say, set } from "./dom.js";
import { FleetView } from "./fleet.js";
import { Talk } from "./talk.js";
import { Watch } from "./watch.js";
import { onLanguage, switchLanguage, t, translatePage } from "./words.js";

const retryMs = 2000;

const watch = new Watch();
onLanguage(translatePage);
const talk = new Talk(watch);
const fleetView = new FleetView(watch);

function drawHealth() {
  const { fleet, lost, hot, isWarming } = watch;
  const [tone, words] = lost
    ? ["bad", t("healthAway")]
    : !fleet ? ["", t("healthConnecting")]
      : hot.length ? ["good", t("healthHot", { count: hot.length })]
        : isWarming ? ["warn", t("healthWarming")] : ["warn", t("healthNone")];
  set(byId("health"), { "data-tone": tone });
  say(byId("health").lastElementChild, words);
}

function isDark() {
  const { look } = document.documentElement.dataset;
  return look ? look === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function drawSwitches() {
  say(byId("language"), t("language"));
  set(byId("language"), { lang: t("language") === "English" ? "en" : "zh-CN", "aria-label": t("languageLabel") });
  say(byId("look"), t(isDark() ? "toLight" : "toDark"));
}

/** Shows the view that the address names; the back button goes between them. */
function show() {
  const name = location.hash === "#fleet" ? "fleet" : "talk";
  for (const view of ["talk", "fleet"]) set(byId(view), { hidden: view !== name });
  for (const link of document.querySelectorAll("nav a")) {
    set(link, { "aria-current": link.hash === `#${name}` ? "page" : null });
  }
  fleetView.draw();
}

/** Asks what is allowed, until it is told. */
async function learn() {
  try {
    const response = await fetch("/api/about", { cache: "no-store" });
    if (response.ok) return talk.learn(await response.json());
  } catch { /* the gateway is away; the watch says so */ }
  setTimeout(learn, retryMs);
}

byId("language").addEventListener("click", switchLanguage);
byId("look").addEventListener("click", () => {
  const look = isDark() ? "light" : "dark";
  document.documentElement.dataset.look = look;
  try { localStorage.setItem("tidegate.look", look); } catch { /* for this time only */ }
  drawSwitches();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId(location.hash === "#fleet" ? "fleet" : "input").focus();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawSwitches);
watch.addEventListener("change", drawHealth);
addEventListener("hashchange", () => {
  show();
  if (location.hash === "#fleet") byId("fleet").focus({ preventScroll: true });
  scrollTo(0, location.hash === "#fleet" ? 0 : document.body.scrollHeight);
});
onLanguage(() => { drawSwitches(); drawHealth(); });
show();
watch.start();
learn();
if (location.hash !== "#fleet") byId("input").focus();
