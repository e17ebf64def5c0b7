import { useState } from "react";
import { api, sentence } from "../api";
import { Card } from "./Card";

export function Slow() {
  const [result, setResult] = useState("not asked yet");

  async function ask() {
    const begun = performance.now();
    setResult("waiting …");
    try {
      await api("/api/slow?seconds=2");
      setResult(`answered after ${((performance.now() - begun) / 1000).toFixed(1)} s`);
    } catch (error) {
      setResult(sentence(error));
    }
  }

  return (
    <Card title="A slow answer" path="GET /api/slow">
      <p className="mono result" data-testid="slow-result">
        {result}
      </p>
      <p className="dim">Nobody gives up on it: devproxy has no read timeout of its own.</p>
      <div className="row">
        <button data-testid="slow-ask" onClick={ask}>
          Ask
        </button>
      </div>
    </Card>
  );
}
