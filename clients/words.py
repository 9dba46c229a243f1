"""Says things in the language of the person who reads them: English, or Chinese.

The sentences stand in the code in English; here is what each is in Chinese. Keys of JSON, flags and what
the other side says are never translated. Knows nothing about who says them, nor when.
"""

from __future__ import annotations

import os
from collections.abc import Mapping


def told(english: str, **facts: object) -> str:
    """The sentence in the reader's language, with the facts in its braces."""
    sentence = CHINESE.get(english, english) if is_chinese(os.environ) else english
    return sentence.format(**facts) if facts else sentence


def is_chinese(environment: Mapping[str, str]) -> bool:
    """Whether the reader wants Chinese: by TIDEGATE_LANG, else by what the system is told, as gettext does."""
    for name in ("TIDEGATE_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        if language := environment.get(name):
            return language.lower().startswith("zh")
    return False


CHINESE: Mapping[str, str] = {
    # Errors of any command.
    "refused: {words}": "被拒绝：{words}",
    "overloaded: {words}": "服务过载：{words}",
    "nobody answers at {address} ({words}); `tidegate up` starts a service": "{address} 没有响应（{words}）；用 `tidegate up` 启动服务",
    "not called: {words}": "未调用：{words}",
    "unavailable: {words}": "服务不可用：{words}",
    "no answer in time: {words}; --timeout gives it longer": "超时未答：{words}；可用 --timeout 放宽",
    "failed ({code}): {words}": "失败（{code}）：{words}",
    "; try again in {seconds} s": "；{seconds} 秒后再试",
    "what this needs is not installed: {hint}": "缺少所需的包：{hint}",
    # token.
    "its hash is in {file}; the token itself is kept nowhere": "其散列已写入 {file}；令牌本身不会保存",
    "{file} holds no such token of {name}": "{file} 中没有 {name} 的这个令牌",
    # chat, judge.
    "Ctrl-C stops a reply, Ctrl-D leaves.": "Ctrl-C 停止当前回复，Ctrl-D 退出。",
    "Ctrl-D leaves.": "Ctrl-D 退出。",
    "(stopped)": "（已停止）",
    "(warming up, about {seconds} s)": "（实例正在预热，约 {seconds} 秒）",
    "(a short answer, because of load)": "（负载较高，这是简短回答）",
    "(a short answer, because of load; the text sounds {label})": "（负载较高，这是简短回答；情感：{label}）",
    "(cut at the longest reply allowed)": "（已达到回复的长度上限）",
    # classify, and its files.
    "text {id}: {line}": "第 {id} 条：{line}",
    "-o is for a file of texts; the answers to others go to stdout": "-o 只用于文件；其他结果写到标准输出",
    "line {line}: {problem}": "第 {line} 行：{problem}",
    "line 1: there is no column {column}, only {there}; --column names one": "第 1 行：没有列 {column}，只有 {there}；用 --column 指定",
    "line 1: two columns have the same name": "第 1 行：有两列同名",
    "the file is empty": "文件是空的",
    "no encoding that is known; utf-8, gb18030 and gbk are": "未知的编码；可用 utf-8、gb18030、gbk 等",
    "can't be read a line at a time; first: iconv -f {name} -t UTF-8": "不能逐行读取；先转换：iconv -f {name} -t UTF-8",
    "not {encoding} at its byte {at} ({byte}); --encoding names another, such as gb18030": "第 {at} 个字节（{byte}）不是 {encoding}；用 --encoding 指定编码，例如 gb18030",
    "{has} fields, where the head names {wanted}": "有 {has} 个字段，而表头有 {wanted} 个",
    "a carriage return outside of quotes": "引号之外有回车符",
    "a quote is opened and never closed": "引号没有闭合",
    "not JSON: {why}, at character {at}": "不是 JSON：{why}，在第 {at} 个字符",
    "not JSON that can be read: nested too deeply": "JSON 嵌套过深，无法读取",
    "not a JSON object": "不是 JSON 对象",
    "there is no {column} in it, only {there}": "没有 {column}，只有 {there}",
    "{column} is not a text": "{column} 不是文本",
    "it has other columns than would be written now": "它的列与将要写入的不同",
    "its record {number} is not that of line {line}": "它的第 {number} 条记录与输入第 {line} 行不符",
    "it holds more records than the input": "它的记录比输入还多",
    "another process is writing it": "另一个进程正在写它",
    "give it the ending .csv, .tsv or .jsonl, or a --format": "文件名要以 .csv、.tsv 或 .jsonl 结尾，或者给出 --format",
    "it is the input": "它就是输入文件",
    "{count} records are there already": "已有 {count} 条记录",
    "stopped; {summary}": "已停止；{summary}",
    "the same command goes on from there": "再次运行同一命令会接着做",
    "{why}; going on in {seconds} s": "{why}；{seconds} 秒后继续",
    "{done} records in {seconds} s ({pace}), {problems} of {all} with a problem": "{seconds} 秒处理了 {done} 条（{pace}），共 {all} 条，其中 {problems} 条有问题",
    "; {count} were equal to an earlier one": "；{count} 条与前面的相同，没有重复调用",
    "{rate}/s": "每秒 {rate} 条",
    # profiles.
    "there is no profile {name}; there are {there}": "没有名为 {name} 的提示配置；现有 {there}",
    "version {version}, {prompt} tokens read ({cached} from the cache), {written} written, {took} s": "版本 {version}，读入 {prompt} 个 token（其中 {cached} 个来自缓存），写出 {written} 个，用时 {took} 秒",
    # status.
    "balancer {version} at {address}, discovery: {discovery}": "均衡器 {version}，地址 {address}，服务发现：{discovery}",
    "as seen by worker {worker}; the others' calls are not counted here": "这是工作进程 {worker} 的视角；其他进程的调用不计入",
    "none": "无",
    "another balancer of this fleet starts and stops; it tells the decisions": "由本机群的另一个均衡器启动和停止实例；决定由它公布",
    # fleet, health.
    "{id}: {phase}, {count} in flight": "{id}：{phase}，{count} 个在答",
    "{role}: {count} of {most} launched": "{role}：已启动 {count} 个，最多 {most} 个",
    ", pinned to {count}": "，固定为 {count} 个",
    "nobody answers at {address} ({words})": "{address} 没有响应（{words}）",
    # up, web.
    "--consul: {said} is not auto, off or a URL": "--consul：{said} 不是 auto、off 或网址",
    "port {port} is in use; {option} takes another": "端口 {port} 已被占用；用 {option} 换一个",
    "no Consul answers at {url}": "{url} 没有 Consul 响应",
    "--cold: servers that the balancer starts are found through Consul, and this is {registry}; put a consul program on the PATH, or name one that runs with --consul URL": "--cold：由均衡器启动的服务要通过 Consul 发现，而现在是{registry}；请把 consul 程序放到 PATH 里，或者用 --consul URL 指定一个正在运行的",
    "the model server is not installed: {hint}": "没有安装模型服务：{hint}",
    "the web page is not installed: {hint}": "没有安装网页：{hint}",
    "without the web page: {hint} adds it": "没有网页；{hint} 可以装上",
    "instances are found through {registry}": "实例来自{registry}",
    "a static list (--consul off)": "固定名单（--consul off）",
    "a static list (no consul program was found)": "固定名单（没有找到 consul 程序）",
    "Consul at {url}": " Consul {url}",
    "the Consul that already answers at {url}": "已在 {url} 运行的 Consul",
    "a Consul dev agent at {url}, in memory only": "自带的 Consul 开发代理 {url}，数据只在内存里",
    "Consul is starting": "Consul 正在启动",
    "the model is loading": "模型正在加载",
    "the web page is starting": "网页正在启动",
    "{what}, {seconds} s so far": "{what}，已用 {seconds} 秒",
    "loading the model; the first start also unpacks or downloads it": "正在加载模型；第一次启动还要解包或下载",
    "stopping; calls that are running may finish, a second Ctrl-C ends them": "正在停止；进行中的调用可以做完，再按一次 Ctrl-C 立即结束",
    "{name} {ending}; stopping the rest": "{name} {ending}；正在停止其余进程",
    "stopped": "已停止",
    "Ready after {seconds} s.": "{seconds} 秒后就绪。",
    "  balancer   {address}": "  均衡器   {address}",
    "  server     {address}": "  模型服务 {address}",
    "  cold       {count} more, started when needed": "  待启动   还有 {count} 个，需要时启动",
    "  instances  {registry}": "  实例来自 {registry}",
    "  web page   {url}": "  网页     {url}",
    "  SIMULATED  no model is loaded: labels and replies mean nothing": "  模拟     没有加载模型：标签和回复没有意义",
    "Try, in another shell:": "在另一个终端里试试：",
    "Ctrl-C stops everything.": "Ctrl-C 停止全部。",
    "{url} shows the balancer at {address}": "{url} 显示均衡器 {address}",
    "can't listen at {where}: {why}; --port takes another": "不能监听 {where}：{why}；用 --port 换一个",
    # load.
    "--mix: one share at least is above 0": "--mix：至少有一个份额大于 0",
    "--deadlines: each is above 0": "--deadlines：每个都要大于 0",
    "{option}: {part} is not METHOD=NUMBER; methods are {methods}": "{option}：{part} 不是“方法=数字”；方法有 {methods}",
    "{option}: {said} is not a number from 0 on": "{option}：{said} 不是大于等于 0 的数",
    "method: {value} is none of {methods}": "method：{value} 不在 {methods} 之中",
    "{column}: {value} is not a number of seconds from 0 on": "{column}：{value} 不是大于等于 0 的秒数",
    "line 1: there is no column at_s": "第 1 行：没有列 at_s",
    "{at} s of {all} s at {address}, {rate} calls/s offered": "{all} 秒中的第 {at} 秒，目标 {address}，每秒发出 {rate} 个调用",
    "late sends: {late} of {made} ({share}), busiest process {cpu} of a core": "迟发：{made} 个中有 {late} 个（{share}），最忙的进程占用一个核的 {cpu}",
    "THE LOAD TOOL WAS THE LIMIT: above {late} late or {cpu} of a core its figures are its own; give it more --processes, another machine, or less to do": "压测工具自身成了瓶颈：迟发超过 {late} 或占用超过一个核的 {cpu} 时，数字反映的是工具自己；增加 --processes、换一台机器，或者降低负载",
    "the balancer counted in {lane}: {facts}": "均衡器在 {lane} 通道的计数：{facts}",
    # Heads of tables.
    "instance": "实例",
    "address": "地址",
    "phase": "阶段",
    "role": "角色",
    "sentiment": "情感",
    "chat": "对话",
    "model": "模型",
    "lane": "通道",
    "waiting": "等待",
    "est. wait": "预计等待",
    "offered": "收到",
    "full": "完整",
    "degraded": "简短",
    "shed": "谢绝",
    "expired": "过期",
    "cancelled": "取消",
    "failed": "失败",
    "goodput": "有效吞吐",
    "p50": "p50",
    "p95": "p95",
    "p99": "p99",
    "first p50": "首字 p50",
    "first p95": "首字 p95",
    "scale": "伸缩",
    "launched": "已启动",
    "minimum": "最少",
    "maximum": "最多",
    "pinned": "固定",
    "warm-up": "预热",
    "profile": "提示配置",
    "kind": "种类",
    "version": "版本",
    "labels": "标签",
    "description": "说明",
    "do": "该做",
}
