// How thorough this run is, as in tests/depth.py.

const DEEP = process.env.TEST_DEPTH === 'deep';

/**
 * @param {number} usual in `make test`
 * @param {number} deep in `make test-deep`
 */
export function amount(usual, deep) {
  return DEEP ? deep : usual;
}
