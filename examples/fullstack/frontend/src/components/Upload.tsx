import { useState, type ChangeEvent } from "react";
import { api, sentence } from "../api";
import { Card } from "./Card";

interface Received {
  size: number;
  sha256: string;
}

async function sha256(file: Blob): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function Upload() {
  const [result, setResult] = useState("nothing sent yet");

  async function send(file: Blob) {
    setResult(`sending ${file.size.toLocaleString("en")} bytes …`);
    try {
      const got = await api<Received>("/api/upload", { method: "POST", body: file });
      const same = got.sha256 === (await sha256(file)) ? "same" : "DIFFERENT";
      setResult(`${got.size.toLocaleString("en")} bytes, ${same} SHA-256 ${got.sha256.slice(0, 12)}…`);
    } catch (error) {
      setResult(sentence(error));
    }
  }

  function choose(event: ChangeEvent<HTMLInputElement>) {
    const file = event.target.files?.[0];
    if (file) void send(file);
  }

  return (
    <Card title="Upload" path="POST /api/upload">
      <p className="mono result" data-testid="upload-result">
        {result}
      </p>
      <div className="row">
        <input
          type="file"
          aria-label="File to upload"
          data-testid="upload-file"
          onChange={choose}
        />
        <button
          className="quiet"
          data-testid="upload-send"
          onClick={() => send(new Blob([new Uint8Array(8 << 20)]))}
        >
          8 MiB
        </button>
      </div>
    </Card>
  );
}
