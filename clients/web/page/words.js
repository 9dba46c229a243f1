// What the page says, in two languages. Knows nothing about where it is said.

const zh = {
  views: "视图", talk: "对话", fleet: "机群", talkTitle: "对话", skip: "跳到正文",
  heroTitle: "说点什么吧。", heroText: "先判断情感，再写回复；两者来自同一个小模型的一次调用。",
  examples: "示例", inputLabel: "你的话", placeholder: "写一句评论，或问一个问题…",
  send: "发送", stop: "停止", fresh: "新对话", hints: "Enter 发送 · Shift+Enter 换行 · Esc 停止",
  language: "English", languageLabel: "Switch to English", toDark: "深色", toLight: "浅色",
  tooLong: "太长了：最多 {most} 字，现在 {count} 字。没有发送。", count: "{count} / {most} 字",
  asked: "你说", confidence: "置信度 {value}", after: "{value} 秒", label: "情感",
  thinking: "正在看…", waited: "已等 {value} 秒", ahead: "前面还有 {count} 个，约 {value} 秒",
  first: "首字 {value} 秒", speed: "{value} 词元/秒", cached: "缓存 {cached} / {prompt} 词元",
  queued: "排队 {value} 秒", servedBy: "由 {name} 回答", truncated: "原文过长，只读了首尾和关键词",
  degraded: "简短回答", degradedText: "现在负载高：这是情感加原文里的一句，不是完整回复。", fullAgain: "要完整回复",
  stopped: "已停止。", stoppedEmpty: "已停止，没有回复。", broken: "中途断了，已收到的部分保留在上面。",
  failed: "没有得到回复。", again: "再问一次", giveUp: "不等了", code: "原因 {reason}", id: "编号 {id}",
  retrying: "{value} 秒后自动重试（第 {attempt} 次，共 {most} 次）", retryNow: "正在重试…",
  lengthEnd: "到了允许的最大长度", awayPending: "服务现在不在；一回来就自动发送。",
  warmingPending: "实例正在预热；一就绪就自动发送。", warmingSoon: "实例正在预热，约 {value} 秒后开始", warmingLate: "实例正在预热，就快好了", laterNever: "现在重试没有用，请过一会儿再问。",
  emptyReply: "（模型没有写出任何字）",
  healthConnecting: "连接中…", healthHot: "{count} 个实例就绪", healthWarming: "预热中…", healthNone: "没有实例就绪", healthAway: "均衡器不在线",
  awayText: "连不上均衡器 {address}。页面每隔几秒重试，回来后自动继续。", gatewayAway: "连不上网页服务。页面每隔几秒重试。",
  fleetTitle: "机群", charts: "最近几分钟", instances: "实例", lanes: "通道", scaler: "伸缩器",
  static: "固定名单", source: "均衡器 {version} · 实例来自 {discovery}", worker: "所见为第 {worker} 个工作进程",
  tileHot: "就绪实例", tileFlight: "在答", tileWaiting: "在等", tileGoodput: "每秒回答", tileShed: "每秒谢绝", ofSlots: "共 {count} 个槽",
  chartGoodput: "回答与谢绝（每秒）", chartWait: "预计等待（秒）", chartDepth: "在等的调用", chartLoad: "负载（占槽的百分比）",
  full: "完整", degradedCount: "简短", shed: "谢绝", expired: "过期", cancelled: "取消", failedCount: "失败", offered: "来过 {count} 个",
  sentiment: "情感", chat: "对话", now: "现在", ago: "{value} 分钟前",
  hot: "就绪", warming: "预热", draining: "排空", cold: "未启动", gone: "已离开", unspecified: "未知",
  both: "两者", depth: "{count} 个在等", wait: "现在来要等约 {value} 秒", noWait: "不用等",
  sheds: "为何谢绝", noSheds: "没有谢绝过。", noInstances: "均衡器还不知道任何实例。",
  noScaler: "这个均衡器不启动也不停止实例。", noDecisions: "还没有做过决定。", notLeading: "由另一个均衡器决定。",
  launched: "{role}：运行 {count} 个（{least}–{most}）", pinned: "固定为 {count}", warmUp: "预热约 {value} 秒",
  chartSummary: "{title}：{values}",
  QUEUE_FULL: "现在人太多，队已排满。", WAIT_TOO_LONG: "现在人太多，要等太久。", DEADLINE_UNREACHABLE: "现在人太多，时限内答不完。",
  DEGRADED_ONLY: "现在只有简短回答。", OVERLOADED: "均衡器忙不过来。", QUEUE_TIMEOUT: "等到了通道的时限，还没轮到。",
  STALLED: "很久没有新内容，这条流结束了。", TOO_MANY_WATCH: "正在查看状态的人太多。",
  NO_INSTANCE: "没有就绪的实例。", WARMING_UP: "实例正在预热，时限内赶不上。", INSTANCE_LOST: "回答的实例离开了。", DRAINING: "服务正在停止。", EXPIRED: "时限到了，还没轮到。",
  late: "时限内没有答完。", invalid: "这段话不被接受。", overloaded: "现在人太多。", unavailable: "服务暂时不可用。", away: "服务不在。", refused: "网页服务拒绝了这次调用。", failedKind: "服务出错了。",
};

const en = {
  views: "Views", talk: "Talk", fleet: "Fleet", talkTitle: "Talk", skip: "Skip to the content",
  heroTitle: "Say something.", heroText: "First its sentiment, then a reply: both from one call to one small model.",
  examples: "Examples", inputLabel: "Your words", placeholder: "Write a review, or ask a question…",
  send: "Send", stop: "Stop", fresh: "New conversation", hints: "Enter sends · Shift+Enter new line · Esc stops",
  language: "中文", languageLabel: "切换到中文", toDark: "Dark", toLight: "Light",
  tooLong: "Too long: {most} characters at most, these are {count}. Nothing was sent.", count: "{count} / {most} characters",
  asked: "You said", confidence: "confidence {value}", after: "{value} s", label: "Sentiment",
  thinking: "Reading…", waited: "waiting for {value} s", ahead: "{count} ahead, about {value} s",
  first: "first token {value} s", speed: "{value} tokens/s", cached: "{cached} of {prompt} tokens cached",
  queued: "queued {value} s", servedBy: "answered by {name}", truncated: "the text was long: only its ends and keywords were read",
  degraded: "Short answer", degradedText: "Under load: this is the sentiment and one sentence of yours, not a full reply.", fullAgain: "Ask for the full reply",
  stopped: "Stopped.", stoppedEmpty: "Stopped before a reply came.", broken: "The stream broke. What had come is kept above.",
  failed: "No reply came.", again: "Ask again", giveUp: "Don't wait", code: "reason {reason}", id: "id {id}",
  retrying: "Tries again in {value} s (try {attempt} of {most})", retryNow: "Trying again…",
  lengthEnd: "cut at the longest reply allowed", awayPending: "The service is away. This is sent as soon as it is back.",
  warmingPending: "Instances are warming up. This is sent as soon as one is ready.", warmingSoon: "An instance is warming up: about {value} s", warmingLate: "An instance is warming up: any moment now", laterNever: "Trying again now would be in vain. Ask again in a while.",
  emptyReply: "(the model wrote nothing)",
  healthConnecting: "Connecting…", healthHot: "{count} ready", healthWarming: "Warming up…", healthNone: "No instance is ready", healthAway: "Balancer away",
  awayText: "The balancer at {address} can't be reached. This page tries again every few seconds and goes on by itself.", gatewayAway: "The web page's server can't be reached. This page tries again every few seconds.",
  fleetTitle: "Fleet", charts: "The last minutes", instances: "Instances", lanes: "Lanes", scaler: "Scaler",
  static: "a fixed list", source: "Balancer {version} · instances from {discovery}", worker: "as seen by worker {worker}",
  tileHot: "instances ready", tileFlight: "being answered", tileWaiting: "waiting", tileGoodput: "answers a second", tileShed: "shed a second", ofSlots: "of {count} slots",
  chartGoodput: "Answers and sheds a second", chartWait: "Estimated wait, s", chartDepth: "Calls that wait", chartLoad: "Load, % of the slots",
  full: "full", degradedCount: "degraded", shed: "shed", expired: "expired", cancelled: "cancelled", failedCount: "failed", offered: "{count} came",
  sentiment: "sentiment", chat: "chat", now: "now", ago: "{value} min ago",
  hot: "hot", warming: "warming", draining: "draining", cold: "cold", gone: "gone", unspecified: "unknown",
  both: "both", depth: "{count} waiting", wait: "who comes now waits about {value} s", noWait: "no wait",
  sheds: "Why calls were shed", noSheds: "None was shed.", noInstances: "The balancer knows of no instance yet.",
  noScaler: "This balancer starts and stops no instances.", noDecisions: "Nothing was decided yet.", notLeading: "Another balancer decides.",
  launched: "{role}: {count} running ({least}–{most})", pinned: "pinned to {count}", warmUp: "warm after about {value} s",
  chartSummary: "{title}: {values}",
  QUEUE_FULL: "Too many are here: the queue is full.", WAIT_TOO_LONG: "Too many are here: the wait would be too long.", DEADLINE_UNREACHABLE: "Too many are here: it would not be answered in time.",
  DEGRADED_ONLY: "Only short answers are given right now.", OVERLOADED: "The balancer can't keep up.", QUEUE_TIMEOUT: "It waited as long as a call may, and its turn did not come.",
  STALLED: "Nothing came for long, and the stream has ended.", TOO_MANY_WATCH: "Too many watch already.",
  NO_INSTANCE: "No instance is ready.", WARMING_UP: "An instance is warming up, and too late for this call.", INSTANCE_LOST: "The instance that was answering is gone.", DRAINING: "The service is stopping.", EXPIRED: "Its time ran out before its turn came.",
  late: "It was not answered in time.", invalid: "This text was not accepted.", overloaded: "Too many are here right now.", unavailable: "The service is not available.", away: "The service is away.", refused: "The page's server refused the call.", failedKind: "The service failed.",
};

const languages = { zh, en };
const key = "tidegate.language";
const listeners = new Set();
let current = remembered() ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");

function remembered() {
  try {
    const said = localStorage.getItem(key);
    return said in languages ? said : null;
  } catch {
    return null;
  }
}

/** The words for a key, with {names} filled in; undefined for a key that there is not. */
export function t(name, values = {}) {
  return languages[current][name]?.replace(/\{(\w+)\}/g, (_, each) => String(values[each]));
}

/** A number as people write it, with so many digits after the point. */
export const number = (value, digits = 0) =>
  value.toLocaleString(current, { minimumFractionDigits: digits, maximumFractionDigits: digits });

export const percent = (value) => value.toLocaleString(current, { style: "percent" });

/** Calls back now and whenever the language changes. */
export function onLanguage(callback) {
  listeners.add(callback);
  callback();
}

export function switchLanguage() {
  current = current === "zh" ? "en" : "zh";
  try { localStorage.setItem(key, current); } catch { /* for this time only */ }
  for (const each of listeners) each();
}

/** Fills everything that the page itself says. */
export function translatePage() {
  document.documentElement.lang = current === "zh" ? "zh-CN" : "en";
  for (const node of document.querySelectorAll("[data-word]")) node.textContent = t(node.dataset.word);
  for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", t(node.dataset.label));
  for (const node of document.querySelectorAll("[data-placeholder]")) node.placeholder = t(node.dataset.placeholder);
}

// The labels of the built-in profiles, and those that people write most; another one stands as it is.
const good = new Set(["正面", "积极", "好评", "正向", "positive", "good"]);
const bad = new Set(["负面", "消极", "差评", "负向", "negative", "bad"]);

/** The face of a label: "😄", "😞", or none. */
export function faceOf(label) {
  const word = label.trim().toLowerCase();
  return good.has(word) ? "😄" : bad.has(word) ? "😞" : "";
}

/** What a label means, for readers of the other language; empty when it needs no explanation. */
export function meaningOf(label) {
  if (current === "zh" || !/[\u4e00-\u9fff]/.test(label)) return "";
  return good.has(label) ? "positive" : bad.has(label) ? "negative" : "";
}
