// How a file gets from the browser to an upload address. Who calls this knows nothing of HTTP.

const PATIENCE = 60; // seconds without a byte after which the connection counts as lost

/** The file did not arrive. `status` is HTTP's, 0 without an answer; `message` is the cloud's own, if any. */
export class UploadFailed extends Error {
  constructor(status = 0, message = "") {
    super(message);
    this.name = "UploadFailed";
    this.status = status;
  }
}

/**
 * Send `file` to `url` and return what the cloud says of it.
 *
 * `onProgress(sent, size)` hears of bytes; aborting `signal` throws its AbortError.
 */
export function uploadFile(url, file, { onProgress = () => {}, signal } = {}) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const request = new XMLHttpRequest(); // fetch() tells no progress
    const body = new FormData();
    body.append("file", file);
    let watch = 0;

    function lose() {
      reject(new UploadFailed());
      request.abort();
    }

    function expectBytes() {
      clearTimeout(watch);
      watch = setTimeout(lose, PATIENCE * 1000);
    }

    function cancel() {
      reject(signal.reason);
      request.abort();
    }

    signal?.addEventListener("abort", cancel, { once: true });
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      expectBytes();
      onProgress(Math.min(file.size, Math.round((loaded / (total || 1)) * file.size)), file.size);
    });
    // Once everything is sent, the cloud may take its time to store it.
    request.upload.addEventListener("loadend", () => clearTimeout(watch));
    request.addEventListener("error", lose);
    request.addEventListener("load", () => {
      const answer = request.response;
      if (request.status < 300 && typeof answer?.url === "string") resolve(answer);
      else reject(new UploadFailed(request.status, answer?.error?.message ?? ""));
    });
    request.addEventListener("loadend", () => {
      clearTimeout(watch);
      signal?.removeEventListener("abort", cancel);
    });
    request.open("POST", url);
    request.responseType = "json";
    request.setRequestHeader("Accept", "application/json");
    request.send(body);
    expectBytes();
  });
}
