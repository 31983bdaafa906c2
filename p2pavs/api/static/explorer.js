// The explorer: asks the node's API again and again and shows what it says. All text is set as text.

import { drawMap, wave } from "./map.js";
import { verifyCertificate } from "./verify.mjs";

const PHASES = ["asked", "inference", "proposal", "prevotes", "precommits", "certificate", "on chain"];
const PHASE_OF = {
  task: 1, committee: 1, inference: 2, generating: 2, inference_done: 2, proposal: 3, prevote: 4, precommit: 5, certificate: 6,
  posting: 6, certified: 7,
};
const SETTLED = { certified: "certified", expired: "expired", refunded: "refunded", task_undone: "undone" };
const KEPT_EVENTS = 512; // for each task
const KEPT_TASKS = 100;
const FRESH_SECONDS = 10; // older votes are no news

const $ = (id) => document.getElementById(id);
const tasks = new Map(); // number -> {events, phase, state}
let selected = null;
let evidence = [];
let divergences = [];
let verified = null; // the task whose certificate is shown

function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

async function ask(path) {
  const answer = await fetch(path, { cache: "no-store" });
  if (!answer.ok) throw new Error(`${path}: HTTP ${answer.status}`);
  return answer.json();
}

/** Do something forever, with a pause after each time; a node that is away is told, and asked again. */
async function forever(pause, work) {
  for (;;) {
    try {
      await work();
      connected(true);
    } catch (error) {
      connected(false, error);
      await new Promise((done) => setTimeout(done, 2000));
    }
    await new Promise((done) => setTimeout(done, pause));
  }
}

function connected(yes, error = null) {
  const text = yes ? "live" : "the node does not answer";
  const place = $("connection");
  if (place.textContent !== text) place.textContent = text;
  place.className = yes ? "" : "lost";
  place.title = error === null ? "" : String(error.message);
}

const short = (address) => (typeof address === "string" ? address.slice(0, 10) : "?");
const percent = (part, whole) => (Number(whole) > 0 ? `${((100 * Number(part)) / Number(whole)).toFixed(1)}%` : "?");
const ether = (wei) => (Number(wei) / 1e18).toLocaleString("en", { maximumFractionDigits: 4 });

// --- status, operators, evidence -------------------------------------------------------------------------

function showStatus(status) {
  const facts = [
    ["block", status.chain.head.toLocaleString("en")],
    ["epoch", status.chain.epoch],
    ["peers", status.peers.length],
    ["models", status.models.length],
    ["operator", short(status.operator)],
    ["version", status.version],
  ];
  $("facts").replaceChildren(
    ...facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, String(value)))),
  );
  for (const task of status.tasks) {
    const known = taskOf(task.id);
    if (task.state in { certified: 1, expired: 1, refunded: 1, undone: 1 }) known.state = task.state;
    if (task.state === "certified") known.phase = 7;
    if (task.state === "certificate") known.phase = Math.max(known.phase, 6);
  }
  showTasks();
  divergences = status.divergences ?? [];
  showTrouble();
}

function showOperators(operators) {
  const active = operators.filter((one) => one.active);
  const total = active.reduce((sum, one) => sum + Number(one.stakeWei), 0);
  $("operators").replaceChildren(
    ...operators.map((one) => {
      const share = one.active && total > 0 ? Number(one.stakeWei) / total : 0;
      const bar = make("span", { class: "bar", "aria-hidden": "true" });
      bar.style.width = `${(6 * share).toFixed(2)}em`;
      const state = !one.active ? "has left" : one.self ? "this node" : one.connected ? "connected" : "not connected";
      return make(
        "tr", {},
        make("td", { class: "mono" }, one.operator),
        make("td", { class: "number" }, `${ether(one.stakeWei)} ETH`),
        make("td", { class: "number" }, bar, percent(share, 1)),
        make("td", { class: one.connected && one.active ? "good" : "soft" }, state),
        make("td", { class: "mono soft" }, one.peerId),
      );
    }),
  );
  drawMap($("map"), operators);
}

function showTrouble() {
  const found = evidence.map(
    (one) => `task ${one.task}, attempt ${one.attempt}: ${one.offence} by ${one.operator}${one.state ? ` (${one.state})` : ""}`,
  );
  for (const one of divergences) {
    const place = one.chunk >= 0 ? `, from chunk ${one.chunk} on` : "";
    const who = one.own ? "this node stood alone" : `${one.operator} computed another result`;
    found.push(`task ${one.task}: ${who}${place}. ${one.detail ?? ""}`);
  }
  $("trouble").replaceChildren(...found.map((text) => make("li", { class: "warn" }, text)));
  $("no-trouble").hidden = found.length > 0;
}

// --- tasks and their events ------------------------------------------------------------------------------

function taskOf(number) {
  if (!tasks.has(number)) {
    tasks.set(number, { events: [], phase: 1, state: "open" });
    if (tasks.size > KEPT_TASKS) tasks.delete(Math.min(...tasks.keys()));
  }
  return tasks.get(number) ?? { events: [], phase: 1, state: "open" };
}

function take(event) {
  const task = taskOf(event.task);
  task.events.push(event);
  if (task.events.length > KEPT_EVENTS) task.events.shift();
  if (event.event === "task") [task.phase, task.state] = [1, "open"];
  task.phase = Math.max(task.phase, PHASE_OF[event.event] ?? 0);
  task.state = SETTLED[event.event] ?? task.state;
  if (event.event === "settlement_undone") task.state = "open";
  if (event.operator && event.at > Date.now() / 1000 - FRESH_SECONDS) wave($("map"), event.operator);
}

function showTasks() {
  const newest = [...tasks.entries()].sort(([left], [right]) => right - left).slice(0, 50);
  const focused = document.activeElement?.dataset?.task;
  $("task-list").replaceChildren(...newest.map(([number, task]) => make("li", {}, taskButton(number, task))));
  if (focused !== undefined) $("task-list").querySelector(`[data-task="${Number(focused)}"]`)?.focus();
  $("no-tasks").hidden = newest.length > 0;
}

function taskButton(number, task) {
  const failed = ["expired", "refunded", "undone"].includes(task.state);
  const word = task.state === "open" ? PHASES[task.phase - 1] : task.state;
  const look = task.state === "certified" ? "good" : failed ? "warn" : "soft";
  const bars = PHASES.map((name, index) => make("span", { class: index < task.phase ? "done" : "", title: name }));
  const button = make(
    "button",
    {
      type: "button", "data-task": number, "aria-pressed": String(number === selected),
      class: task.state === "certified" ? "certified" : failed ? "failed" : "",
      "aria-label": `Task ${number}: ${word}`,
    },
    make("div", { class: "row" }, make("strong", {}, `Task ${number}`), make("span", { class: look }, word)),
    make("div", { class: "phases", "aria-hidden": "true" }, ...bars),
  );
  button.addEventListener("click", () => {
    history.replaceState(null, "", `#task-${number}`);
    select(number);
  });
  return button;
}

function select(number) {
  selected = number;
  verified = null;
  $("detail").hidden = false;
  $("detail-title").textContent = `Task ${number}`;
  $("proof").replaceChildren();
  $("events").replaceChildren();
  showTasks();
  showDetail();
  $("detail-title").focus({ preventScroll: true });
  $("detail").scrollIntoView({ block: "nearest" });
}

function describe(event) {
  const left = ["seq", "at", "task", "event"];
  return Object.entries(event)
    .filter(([name]) => !left.includes(name))
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${brief(name, value)}`)
    .join(", ");
}

/** A value of an event in few characters: hashes and addresses by their beginning, lists by their length. */
function brief(name, value) {
  if (Array.isArray(value)) {
    const texts = value.map((one) => (typeof one === "object" ? "" : brief("", one)));
    return texts.length <= 4 && !texts.includes("") ? texts.join(" ") : String(value.length);
  }
  if (value !== null && typeof value === "object") return JSON.stringify(value).slice(0, 120);
  if (["weight", "total", "fee"].includes(name) && Number(value) > 1e12) return `${ether(value)} ETH`;
  if (name === "deadline") return new Date(1000 * value).toISOString().slice(11, 19);
  if (typeof value === "string" && /^(0x)?[0-9a-f]{40,}$/.test(value)) return `${value.slice(0, 10)}…`;
  return String(value).slice(0, 200);
}

function showDetail() {
  const task = tasks.get(selected) ?? { events: [], phase: 7 }; // before this page's memory
  const list = $("events");
  const following = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.replaceChildren(
    ...task.events.map((event) =>
      make(
        "li", {},
        make("span", { class: "soft mono" }, new Date(1000 * event.at).toISOString().slice(11, 23)),
        make("strong", {}, event.event.replaceAll("_", " ")),
        make("span", { class: "soft" }, describe(event)),
      ),
    ),
  );
  if (following) list.scrollTop = list.scrollHeight;
  if (task.phase >= 6 && verified !== selected) showProof(selected);
}

// --- certificates ----------------------------------------------------------------------------------------

async function showProof(number) {
  verified = number;
  let text;
  try {
    const answer = await fetch(`tasks/${number}/certificate/file`, { cache: "no-store" });
    text = answer.ok ? await answer.text() : null;
  } catch {
    text = null;
  }
  if (text === null) {
    if (number !== selected) return;
    verified = null; // it is on its way
    $("proof").replaceChildren(make("p", { class: "empty" }, "This node has no certificate of this task."));
    return;
  }
  let said;
  try {
    said = verifyCertificate(text);
    if (said.task !== String(number)) throw new Error(`the certificate is of task ${said.task}`);
  } catch (error) {
    if (number !== selected) return;
    $("proof").replaceChildren(make("p", { class: "verdict bad" }, `The certificate does not hold: ${error.message}`));
    return;
  }
  if (number !== selected) return;
  const rows = [
    ["answer", said.status === "completed" ? said.output : "rejected: the model cannot take this request"],
    ["signed by", `${said.signers.length} of ${said.members} members, ${percent(said.signedWeight, said.totalWeight)} of the weight`],
    ["signers", said.signers.join(" ")],
    ["round", `${said.round}, attempt ${said.attempt}`],
    ["value", said.value],
    ["operator set", `${said.setRoot} of epoch ${said.epoch}, chain ${said.chainId}, gateway ${said.gateway}`],
  ];
  const list = make("dl", {});
  for (const [name, value] of rows) {
    list.append(make("dt", {}, name), make("dd", { class: name === "answer" ? "" : "mono" }, value));
  }
  $("proof").replaceChildren(
    make("p", { class: "verdict good" }, "Valid: verified in this browser"),
    list,
    make("p", { class: "soft" },
      `That these operators are the chain's, the file cannot prove: compare the root with p2pavs epoch status ${said.epoch}.` +
      (said.committeeSize === 0 ? "" : " Nor that the chain drew this committee: p2pavs certificate verify asks the chain.")),
  );
}

// --- start -----------------------------------------------------------------------------------------------

let after = 0;
forever(3000, async () => showStatus(await ask("status")));
forever(10000, async () => showOperators(await ask("operators")));
forever(30000, async () => {
  evidence = await ask("evidence");
  showTrouble();
});
forever(50, async () => {
  const events = await ask(`events?after=${after}&wait=20`);
  for (const event of events) {
    after = Math.max(after, event.seq);
    take(event);
  }
  if (events.length === 0) return;
  showTasks();
  if (events.some((event) => event.task === selected)) showDetail();
});

function selectWanted() {
  const wanted = /^#task-([1-9][0-9]{0,14})$/.exec(location.hash);
  if (wanted !== null) select(Number(wanted[1]));
}

addEventListener("hashchange", selectWanted);
selectWanted();
