// The demo's page: one button for each kind of traffic, all through one origin.

const $ = (id) => document.querySelector(`[data-testid="${id}"]`);
const show = (id, text) => { $(id).textContent = text; };

$("origin").textContent = location.origin;
$("loaded").textContent = new Date().toLocaleTimeString();

async function call(path, output, options) {
  show(output, "…");
  const begun = performance.now();
  try {
    const answer = await fetch(path, options);
    const text = answer.ok ? (await answer.json()).message : `${answer.status} ${answer.statusText}`;
    show(output, `${text} (${Math.round(performance.now() - begun)} ms)`);
  } catch (error) {
    show(output, String(error));
  }
}

$("rest").addEventListener("click", () => call("/api/hello?name=you", "rest-output"));
$("slow").addEventListener("click", () => call("/api/slow", "rest-output"));
$("fail").addEventListener("click", () => call("/api/fail", "break-output"));
$("crash").addEventListener("click", () => call("/api/crash", "break-output", { method: "POST" }));

let stream;
$("sse").addEventListener("click", () => {
  if (stream) {
    stream.close();
    stream = undefined;
    $("sse").textContent = "Listen";
    return;
  }
  $("sse").textContent = "Stop";
  stream = new EventSource("/api/ticks");
  stream.onmessage = (event) => show("sse-output", event.data);
  stream.onerror = () => show("sse-output", "waiting for the API…");
});

let socket;
function connected() {
  if (socket && socket.readyState <= WebSocket.OPEN) return socket;
  socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/api/echo`);
  socket.onmessage = (event) => show("ws-output", event.data);
  socket.onclose = (event) => show("ws-output", `closed (${event.code})`);
  return socket;
}

$("ws").form.addEventListener("submit", (event) => {
  event.preventDefault();
  const open = connected();
  const send = () => open.send($("ws-input").value);
  if (open.readyState === WebSocket.OPEN) send();
  else open.addEventListener("open", send, { once: true });
});
