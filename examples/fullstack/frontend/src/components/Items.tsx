import { useEffect, useState, type FormEvent } from "react";
import { api, sentence } from "../api";
import { Card } from "./Card";

interface Item {
  id: number;
  name: string;
}

export function Items() {
  const [items, setItems] = useState<Item[]>([]);
  const [name, setName] = useState("");
  const [problem, setProblem] = useState("");

  async function load() {
    try {
      setItems(await api<Item[]>("/api/items"));
      setProblem("");
    } catch (error) {
      setProblem(sentence(error));
    }
  }

  async function add(event: FormEvent) {
    event.preventDefault();
    try {
      await api<Item>("/api/items", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ name }),
      });
      setName("");
    } catch (error) {
      setProblem(sentence(error));
      return;
    }
    await load();
  }

  useEffect(() => void load(), []);

  return (
    <Card title="REST" path="GET, POST /api/items">
      <ul className="list" data-testid="items">
        {items.map((item) => (
          <li key={item.id}>{item.name}</li>
        ))}
      </ul>
      <form onSubmit={add}>
        <input
          aria-label="New item"
          data-testid="item-name"
          placeholder="New item"
          required
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        <button data-testid="item-add">Add</button>
        <button type="button" className="quiet" data-testid="items-load" onClick={load}>
          Reload
        </button>
      </form>
      <p className="problem" data-testid="items-problem">
        {problem}
      </p>
    </Card>
  );
}
