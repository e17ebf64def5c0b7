import { useEffect, useState } from "react";
import { api, sentence } from "../api";

interface Hello {
  message: string;
  pid: number;
}

/** Change the heading and save: the text changes, the counter keeps its count. */
export function Greeting() {
  const [count, setCount] = useState(0);
  const [hello, setHello] = useState("asking the backend …");

  useEffect(() => {
    const ask = () =>
      api<Hello>("/api/hello").then(
        ({ message, pid }) => setHello(`${message} (pid ${pid})`),
        (error) => setHello(sentence(error)),
      );
    void ask();
    // The event stream comes back when the backend does; that is the moment to ask again.
    window.addEventListener("backend-is-back", ask);
    return () => window.removeEventListener("backend-is-back", ask);
  }, []);

  return (
    <div className="greeting">
      <div>
        <h1 data-testid="greeting">One origin, everything works</h1>
        <p data-testid="hello">{hello}</p>
      </div>
      <button data-testid="count" onClick={() => setCount(count + 1)}>
        counted to {count}
      </button>
    </div>
  );
}
