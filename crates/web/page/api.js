// The JSON of runs, and the stream of what changes. Everything on the page comes from here.

const BASE = "/api/v1/runs";

async function get(path, query = {}) {
  const asked = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
  const search = new URLSearchParams(asked).toString();
  const answer = await fetch(`${BASE}${path}${search && `?${search}`}`);
  if (!answer.ok) throw new Error((await answer.text()).trim() || answer.statusText);
  return answer.json();
}

const of = (run, part = "") => `/${encodeURIComponent(run)}${part}`;

export const runs = () => get("");
export const summary = (run) => get(of(run));
export const series = (run, query) => get(of(run, "/series"), query);
export const heat = (run, query) => get(of(run, "/heat"), query);
export const ledger = (run) => get(of(run, "/ledger"));
export const timeline = (run) => get(of(run, "/timeline"));
export const checkpoints = (run) => get(of(run, "/checkpoints"));
export const pictures = (run) => get(of(run, "/pictures"));
export const pictureUrl = (run, name) => `${BASE}${of(run, `/pictures/${encodeURIComponent(name)}`)}`;

/**
 * Follows a run from a cursor on. The browser connects again by itself and says what it has heard last, so that nothing
 * is missed; if that is too long ago the server says `resync` and all has to be read anew.
 */
export function follow(run, cursor, { changed, resync, connected }) {
  const stream = new EventSource(`${BASE}${of(run, "/events")}?after=${encodeURIComponent(cursor)}`);
  stream.addEventListener("change", (event) => changed(JSON.parse(event.data)));
  stream.addEventListener("resync", () => {
    stream.close();
    resync();
  });
  stream.onopen = () => connected(true);
  stream.onerror = () => connected(false);
  return () => stream.close();
}
