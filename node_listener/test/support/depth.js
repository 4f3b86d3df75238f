// How thorough this run is, as in tests/depth.py.

const DEEP = process.env.TEST_DEPTH === 'deep';

/**
 * @param {number} usual in `make test`
 * @param {number} deep in `make test-deep`
 */
export function amount(usual, deep) {
  return DEEP ? deep : usual;
}

/**
 * Options of a test that `make test` leaves out.
 * @param {string} why a cheaper test is enough there
 */
export function onlyDeep(why) {
  return { skip: DEEP ? false : `only by \`make test-deep\`: ${why}` };
}
