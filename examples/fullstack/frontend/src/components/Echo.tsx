import { useEffect, useRef, useState, type FormEvent } from "react";
import { Card } from "./Card";

type State = "not connected" | "connecting" | "open" | "closed";

export function Echo() {
  const socket = useRef<WebSocket>(null);
  const [state, setState] = useState<State>("not connected");
  const [text, setText] = useState("hello");
  const [lines, setLines] = useState<string[]>([]);

  const say = (line: string) => setLines((seen) => [line, ...seen].slice(0, 5));

  /** The open socket; a new one if the last was closed (a restarting backend closes with 1012). */
  function connected(): WebSocket {
    if (socket.current && socket.current.readyState <= WebSocket.OPEN) return socket.current;
    const made = new WebSocket(`${location.origin.replace(/^http/, "ws")}/api/ws`);
    setState("connecting");
    made.addEventListener("open", () => setState("open"));
    made.addEventListener("message", (event: MessageEvent<string>) => say(`← ${event.data}`));
    made.addEventListener("close", (event) => {
      setState("closed");
      say(`closed with ${event.code}`);
    });
    return (socket.current = made);
  }

  function send(event: FormEvent) {
    event.preventDefault();
    const target = connected();
    const now = () => {
      say(`→ ${text}`);
      target.send(text);
    };
    if (target.readyState === WebSocket.OPEN) now();
    else target.addEventListener("open", now, { once: true });
  }

  useEffect(() => () => socket.current?.close(), []);

  return (
    <Card title="WebSocket" path="/api/ws">
      <p>
        <span className={`state ${state.replace(" ", "-")}`} data-testid="echo-state">
          {state}
        </span>
      </p>
      <ol className="list mono" data-testid="echo">
        {lines.map((line, index) => (
          <li key={`${lines.length}-${index}`}>{line}</li>
        ))}
      </ol>
      <form onSubmit={send}>
        <input
          aria-label="Text to send"
          data-testid="echo-text"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <button data-testid="echo-send">Send</button>
      </form>
    </Card>
  );
}
