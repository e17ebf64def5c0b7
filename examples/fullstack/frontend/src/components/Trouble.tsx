import { useState } from "react";
import { api, sentence } from "../api";
import { Card } from "./Card";

export function Trouble() {
  const [result, setResult] = useState("all is well");

  async function cause(path: string, method: string) {
    setResult("waiting …");
    try {
      await api(path, { method });
      setResult("answered, against all hope");
    } catch (error) {
      setResult(sentence(error));
    }
  }

  return (
    <Card title="Trouble" path="/api/boom, /api/crash">
      <p className="mono result" data-testid="trouble-result">
        {result}
      </p>
      <p className="dim">
        A crash ends the backend&rsquo;s process. Open <a href="/api/items">/api/items</a> meanwhile
        to see what a person gets.
      </p>
      <div className="row">
        <button data-testid="boom" className="quiet" onClick={() => cause("/api/boom", "GET")}>
          Raise
        </button>
        <button data-testid="crash" className="danger" onClick={() => cause("/api/crash", "POST")}>
          Crash
        </button>
      </div>
    </Card>
  );
}
