import type { ReactNode } from "react";

interface Props {
  title: string;
  path: string;
  children: ReactNode;
}

export function Card({ title, path, children }: Props) {
  return (
    <section className="card">
      <header>
        <h2>{title}</h2>
        <code>{path}</code>
      </header>
      {children}
    </section>
  );
}
