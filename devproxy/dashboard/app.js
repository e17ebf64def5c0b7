// The dashboard. It speaks only to the control API, keeps at most MAX_LINES lines, and makes text of
// whatever a service printed: textContent throughout, no HTML from anywhere (the CSP holds that, too).

const API = "/__devproxy/api/";
const MAX_LINES = 2000;
const LOOK = {
  ready: "good", done: "good", waiting: "busy", freeing: "busy", starting: "busy", restarting: "busy",
  failing: "bad", crashed: "bad", stopped: "",
};
const byId = (id) => document.getElementById(id);

function make(tag, className, text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}

async function call(path, method = "GET") {
  const answer = await fetch(API + path, { method });
  const value = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(value.detail || value.title), { status: answer.status });
  return value;
}

// ---- services

const cards = new Map();

function card(name) {
  const item = make("li");
  const parts = {
    item, dot: make("span", "dot"), name: make("b", "", name), state: make("span", "state"),
    facts: make("div", "facts"), buttons: {},
  };
  const who = make("div", "who");
  who.append(parts.dot, parts.name, parts.state);
  const acts = make("div", "acts");
  for (const verb of ["start", "restart", "stop"]) {
    const button = make("button", "", verb);
    button.type = "button";
    button.setAttribute("aria-label", `${verb} ${name}`);
    button.addEventListener("click", () => act(name, verb));
    parts.buttons[verb] = button;
    acts.append(button);
  }
  item.append(who, parts.facts, acts);
  byId("services").append(item);
  byId("only").append(new Option(name, name));
  cards.set(name, parts);
  return parts;
}

async function act(name, verb) {
  try {
    await call(`services/${encodeURIComponent(name)}/${verb}`, "POST");
    trouble("");
  } catch (error) {
    trouble(`${verb} ${name}: ${error.message}`);
  }
  await refresh();
}

function trouble(message) {
  byId("trouble").textContent = message;
  byId("trouble").hidden = !message;
}

function showService(service) {
  const parts = cards.get(service.name) ?? card(service.name);
  const look = LOOK[service.state] ?? "";
  const stopped = ["stopped", "crashed", "done"].includes(service.state);
  parts.dot.className = `dot ${look}`;
  parts.state.className = `state ${look}`;
  parts.state.textContent = service.state;
  parts.facts.textContent = [
    service.kind,
    service.port && `port ${service.port}`,
    service.pid && `pid ${service.pid}`,
    service.restarts > 0 && `${service.restarts} restart${service.restarts === 1 ? "" : "s"}`,
    look === "bad" && service.message,
  ].filter(Boolean).join(" · ");
  parts.buttons.start.disabled = !stopped;
  parts.buttons.stop.disabled = service.state === "stopped" || service.state === "done";
  parts.buttons.restart.disabled = service.state === "restarting";
}

async function refresh() {
  const status = await call("status");
  document.title = `${status.name} · devproxy`;
  byId("name").textContent = status.name;
  byId("url").textContent = status.url;
  byId("overall").textContent = status.ready ? "ready" : "not ready";
  byId("overall").className = `badge ${status.ready ? "good" : "busy"}`;
  status.services.forEach(showService);
}

// ---- log

function isShown(item) {
  const only = byId("only").value;
  const find = byId("find").value.toLowerCase();
  return (!only || item.dataset.service === only) && (!find || item.textContent.toLowerCase().includes(find));
}

function append(item) {
  const lines = byId("lines");
  item.hidden = !isShown(item);
  lines.append(item);
  while (lines.childElementCount > MAX_LINES) lines.firstElementChild.remove();
  if (byId("follow").checked) lines.scrollTop = lines.scrollHeight;
}

function showLine(record) {
  const item = make("li", record.level ?? "");
  item.dataset.service = record.service;
  const time = make("time", "", new Date(record.time).toLocaleTimeString(undefined, { hour12: false }));
  time.dateTime = record.time;
  item.append(time, make("span", "service", record.service), make("span", "text", record.text));
  append(item);
}

function showGap(data) {
  append(make("li", "gap", `… ${data.dropped} lines are no longer kept …`));
}

function applyFilter() {
  for (const item of byId("lines").children) item.hidden = !isShown(item);
}

// ---- beginning, and beginning again: a stream that ends comes back by itself

function listen() {
  const log = new EventSource(API + "logs/stream?backlog=500");
  log.addEventListener("line", (event) => showLine(JSON.parse(event.data)));
  log.addEventListener("gap", (event) => showGap(JSON.parse(event.data)));
  const events = new EventSource(API + "events?topics=state");
  events.addEventListener("state", () => refresh().catch(gone));
  events.addEventListener("gap", () => refresh().catch(gone));
  events.addEventListener("open", () => refresh().catch(gone));
  events.addEventListener("error", gone);
  // A refused stream (a new session does not know our cookie) is closed for good: ask what there is.
  for (const stream of [log, events]) {
    stream.addEventListener("error", () => stream.readyState === EventSource.CLOSED && location.reload());
  }
}

function gone() {
  byId("overall").textContent = "not reachable";
  byId("overall").className = "badge bad";
}

async function begin() {
  try {
    await refresh();
  } catch (error) {
    if (error.status === 401) {
      byId("signin").hidden = false;
      byId("overall").textContent = "signed out";
      return;
    }
    gone();
    setTimeout(begin, 1000);
    return;
  }
  byId("session").hidden = false;
  listen();
}

byId("only").addEventListener("change", applyFilter);
byId("find").addEventListener("input", applyFilter);
byId("clear").addEventListener("click", () => byId("lines").replaceChildren());
// Only a hand ends following; a window that is made smaller scrolls, too.
const unfollow = () => { byId("follow").checked = false; };
byId("lines").addEventListener("wheel", (event) => event.deltaY < 0 && unfollow(), { passive: true });
byId("lines").addEventListener("touchmove", unfollow, { passive: true });
byId("lines").addEventListener("keydown", (event) => ["ArrowUp", "PageUp", "Home"].includes(event.key) && unfollow());
byId("follow").addEventListener("change", () => { byId("lines").scrollTop = byId("lines").scrollHeight; });
begin();
