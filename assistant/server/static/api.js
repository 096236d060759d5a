/** The requests of the page besides its socket. Paths are relative: the page may lie in a folder. */

const KEY = "assistant.key";

/** The server wants a key, or does not take the one it got. */
export class NeedsKey extends Error {}

/** For this tab only: it is gone when the tab is closed. */
export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => sessionStorage.setItem(KEY, value),
  forget: () => sessionStorage.removeItem(KEY),
};

/** What the socket is opened with: short-lived, so the key itself never stands in a header of it. */
export async function clientSecret() {
  try {
    const answer = await post("v1/realtime/client_secrets", {});
    return (await answer.json()).value;
  } catch (error) {
    throw error.status === 403 && key.get() ? new NeedsKey(error.message) : error;
  }
}

export async function findVoices(query, signal) {
  const answer = await request(`v1/voices?${new URLSearchParams({ query, limit: 100 })}`, { signal });
  return (await answer.json()).data;
}

export async function listTools() {
  return (await (await request("v1/tools")).json()).data;
}

/** 24 kHz mono int16. */
export async function speech(input, voice, signal) {
  const answer = await post("v1/audio/speech", { input, voice, response_format: "pcm" }, signal);
  const bytes = await answer.arrayBuffer();
  return new Int16Array(bytes, 0, Math.floor(bytes.byteLength / 2));
}

function post(path, body, signal) {
  const headers = { "Content-Type": "application/json" };
  return request(path, { method: "POST", body: JSON.stringify(body), headers, signal });
}

/** Raises NeedsKey, and Error with one line for people. */
async function request(path, options = {}) {
  const headers = { ...options.headers };
  if (key.get()) headers.Authorization = `Bearer ${key.get()}`;
  let answer;
  try {
    answer = await fetch(new URL(path, document.baseURI), { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server can't be reached.");
  }
  if (answer.ok) return answer;
  const problem = await problemOf(answer);
  const error = answer.status === 401 ? new NeedsKey(problem) : new Error(problem);
  throw Object.assign(error, { status: answer.status });
}

async function problemOf(answer) {
  try {
    const body = await answer.json();
    return body.error?.message ?? body.detail ?? `The server answered ${answer.status}.`;
  } catch {
    return `The server answered ${answer.status}.`;
  }
}
