/** An answer that is not 2xx; `status` and the first line of what it said. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    detail: string,
  ) {
    super(`${status} ${detail}`);
  }
}

/** Fetch JSON from the API. The path is enough: the API is on the page's own origin. */
export async function api<T>(path: string, init?: RequestInit): Promise<T> {
  const response = await fetch(path, {
    ...init,
    headers: { Accept: "application/json", ...init?.headers },
  });
  if (!response.ok) throw new Refused(response.status, await reason(response));
  return (await response.json()) as T;
}

/** What a failed answer says: devproxy and FastAPI both answer JSON, a bare server only text. */
async function reason(response: Response): Promise<string> {
  const text = await response.text();
  try {
    const body = JSON.parse(text) as { title?: string; detail?: string };
    return body.title ?? body.detail ?? response.statusText;
  } catch {
    return text.split("\n", 1)[0] || response.statusText;
  }
}

/** A failure as one line for people. */
export function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
