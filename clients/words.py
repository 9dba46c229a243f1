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
    "unavailable: {words}": "服务不可用：{words}",
    "no answer in time: {words}; --timeout gives it longer": "超时未答：{words}；可用 --timeout 放宽",
    "failed ({code}): {words}": "失败（{code}）：{words}",
    "; try again in {seconds} s": "；{seconds} 秒后再试",
    "what this needs is not installed: {hint}": "缺少所需的包：{hint}",
    # chat, judge.
    "Ctrl-C stops a reply, Ctrl-D leaves.": "Ctrl-C 停止当前回复，Ctrl-D 退出。",
    "Ctrl-D leaves.": "Ctrl-D 退出。",
    "(stopped)": "（已停止）",
    "(a short answer, because of load)": "（负载较高，这是简短回答）",
    "(a short answer, because of load; the text sounds {label})": "（负载较高，这是简短回答；情感：{label}）",
    "(cut at the longest reply allowed)": "（已达到回复的长度上限）",
    # classify, and its files.
    "text {id}: {line}": "第 {id} 条：{line}",
    "-o and --format csv are for a file of texts; stdout takes the rest": "-o 和 --format csv 只用于文件；其他结果写到标准输出",
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
    "{rate}/s": "每秒 {rate} 条",
    # profiles.
    "there is no profile {name}; there are {there}": "没有名为 {name} 的提示配置；现有 {there}",
    "version {version}, {prompt} tokens read ({cached} from the cache), {written} written, {took} s": "版本 {version}，读入 {prompt} 个 token（其中 {cached} 个来自缓存），写出 {written} 个，用时 {took} 秒",
    # status.
    "balancer {version} at {address}, discovery: {discovery}": "负载均衡器 {version}，地址 {address}，服务发现：{discovery}",
    "as seen by worker {worker}; the others' calls are not counted here": "这是工作进程 {worker} 的视角；其他进程的调用不计入",
    "none": "无",
    # load.
    "line 1: there is no column at_s": "第 1 行：没有列 at_s",
    "{at} s of {all} s at {address}, {rate} calls/s offered": "{all} 秒中的第 {at} 秒，目标 {address}，每秒发出 {rate} 个调用",
    "late sends: {late} of {made} ({share}), busiest process {cpu} of a core": "迟发：{made} 个中有 {late} 个（{share}），最忙的进程占用一个核的 {cpu}",
    "THE LOAD TOOL WAS THE LIMIT: above {late} late or {cpu} of a core its figures are its own; give it more --processes, another machine, or less to do": "压测工具自身成了瓶颈：迟发超过 {late} 或占用超过一个核的 {cpu} 时，数字反映的是工具自己；增加 --processes、换一台机器，或者降低负载",
    "the balancer counted in {lane}: {facts}": "负载均衡器在 {lane} 通道的计数：{facts}",
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
    "shed": "拒绝",
    "expired": "过期",
    "cancelled": "取消",
    "failed": "失败",
    "goodput": "有效吞吐",
    "p50": "p50",
    "p95": "p95",
    "p99": "p99",
    "first p50": "首字 p50",
    "first p95": "首字 p95",
    "profile": "提示配置",
    "kind": "种类",
    "version": "版本",
    "labels": "标签",
    "description": "说明",
    "do": "该做",
}
