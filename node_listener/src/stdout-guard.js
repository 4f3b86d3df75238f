// stdout belongs to the protocol. What dependencies print (console.log, process.stdout.write) goes to stderr; only the
// wire holds the real stdout.

/**
 * Sends everything written to stdout to stderr from now on.
 * @param {NodeJS.WriteStream} [stdout]
 * @param {NodeJS.WriteStream} [stderr]
 * @returns {import('./wire.js').Sink} the only way that is left to the real stdout
 */
export function guardStdout(stdout = process.stdout, stderr = process.stderr) {
  const write = stdout.write.bind(stdout);
  stdout.write = /** @type {typeof stdout.write} */ (
    /** @param {[any, any?, any?]} chunk */
    (...chunk) => stderr.write(...chunk)
  );
  return {
    write: (chunk) => write(chunk),
    once: (event, listener) => stdout.once(event, listener),
    get writableLength() {
      return stdout.writableLength;
    },
  };
}
