import { useEffect, useState } from "react";
import { Card } from "./Card";

interface Tick {
  number: number;
  time: string;
  pid: number;
}

type State = "connecting" | "open" | "closed";

export function Events() {
  const [state, setState] = useState<State>("connecting");
  const [ticks, setTicks] = useState<Tick[]>([]);

  useEffect(() => {
    const source = new EventSource("/api/events");
    source.addEventListener("open", () => {
      setState("open");
      window.dispatchEvent(new Event("backend-is-back"));
    });
    source.addEventListener("error", () => {
      setState(source.readyState === EventSource.CLOSED ? "closed" : "connecting");
    });
    source.addEventListener("tick", (event: MessageEvent<string>) => {
      const tick = JSON.parse(event.data) as Tick;
      setTicks((seen) => [tick, ...seen].slice(0, 5));
    });
    return () => source.close();
  }, []);

  return (
    <Card title="Server-sent events" path="/api/events">
      <p>
        <span className={`state ${state}`} data-testid="events-state">
          {state}
        </span>
      </p>
      <ol className="list mono" data-testid="events">
        {ticks.map((tick) => (
          <li key={`${tick.pid}-${tick.number}`}>
            <span>tick {tick.number}</span>
            <span className="dim">{new Date(tick.time).toLocaleTimeString()}</span>
            <span className="dim">pid {tick.pid}</span>
          </li>
        ))}
      </ol>
    </Card>
  );
}
