/** The service's endpoints. Addresses are relative, so that the page works under any path. */

const TRIES = 6;
const LONGEST_WAIT_MS = 8000;
let token = "";

/** What the service, or the way to it, has against a file. */
export class Problem extends Error {
  /** @param {{code: string, detail?: string, status?: number}} told */
  constructor({ code, detail = "", status = 0 }) {
    super(code);
    Object.assign(this, { code, detail, status });
  }
}

/** Ask with a token from now on; what cannot be part of one is left out. */
export function useToken(text) {
  token = text.replace(/[^!-~]/g, "");
}

/**
 * Post a file.
 * @param {string} path with its query
 * @param {Blob} file
 * @param {{accept?: string, progress?: (share: number) => void, signal?: AbortSignal}} options
 * @returns {Promise<{body: ArrayBuffer, header: (name: string) => string | null, type: string}>}
 * @throws {Problem} where there is no answer; a full service is asked again first
 */
export async function post(path, file, options = {}) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await once(path, file, options);
    } catch (error) {
      if (error.status !== 503 || tries === TRIES || options.signal?.aborted) throw error;
      const wait = Math.max(error.retryAfter * 1000, 250 * 2 ** tries);
      await new Promise((go) => setTimeout(go, Math.min(wait, LONGEST_WAIT_MS)));
    }
  }
}

/** The answer to a file, and where the model looked. */
export async function explain(file, options) {
  const { body } = await post("explain?maps=true", file, { ...options, accept: "application/json" });
  return JSON.parse(new TextDecoder().decode(body));
}

/** The share of the evidence for a label that lies in the lungs, or null. */
export async function evidenceInLungs(file, target) {
  const { body } = await post(`explain?target=${target}`, file, { accept: "application/json" });
  return JSON.parse(new TextDecoder().decode(body)).evidence_in_lungs;
}

/** A file's pixels, of 16 bits, and what they stand for. */
export function picture(file, maxSide, options) {
  return post(`picture?max_side=${maxSide}`, file, { ...options, accept: "application/octet-stream" });
}

// Not `fetch`, which does not tell how much of the file is sent.
function once(path, file, { accept = "*/*", progress, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.responseType = "arraybuffer";
    request.setRequestHeader("Accept", accept);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    if (token) request.setRequestHeader("Authorization", `Bearer ${token}`);
    if (progress) request.upload.onprogress = ({ loaded, total }) => progress(total ? loaded / total : 1);
    const fail = () => reject(new Problem({ code: "unreachable" }));
    request.onerror = fail;
    request.ontimeout = fail;
    request.onabort = fail;
    request.onload = () => {
      const header = (name) => request.getResponseHeader(name);
      if (request.status === 200) {
        resolve({ body: request.response, header, type: header("Content-Type") });
        return;
      }
      const problem = told(request.response, request.status);
      problem.retryAfter = Number(header("Retry-After")) || 0;
      reject(problem);
    };
    signal?.addEventListener("abort", () => request.abort());
    if (signal?.aborted) fail();
    else request.send(file);
  });
}

// A proxy may answer in words of its own.
function told(body, status) {
  try {
    return new Problem(JSON.parse(new TextDecoder().decode(body)));
  } catch {
    return new Problem({ code: status === 413 ? "too_large" : "unreachable", status });
  }
}
