// Google's side of a script, as far as the script of docs/feeds.md uses it: `node apps_script.mjs FILE`. A line of JSON on
// stdin is the body of a POST, or an order ({"$": "sheet" | "busy" | "width" | "sort" | "move"}); a line on stdout is what came of it.
//
// As Google's own, bytes are signed (-128 to 127), a text in a cell is read as if it was typed, and a script whose lock
// is held by another fails.
import crypto from 'node:crypto';
import fs from 'node:fs';
import readline from 'node:readline';
import vm from 'node:vm';

const signed = (buffer) => [...new Int8Array(buffer)];
const bytes = (numbers) => {
  if (!Array.isArray(numbers)) throw new TypeError('no Byte[]');
  return Buffer.from(Int8Array.from(numbers).buffer);
};

const Utilities = {
  base64Decode: (text) => signed(Buffer.from(text, 'base64')),
  base64Encode: (numbers) => bytes(numbers).toString('base64'),
  newBlob: (text) => ({ getBytes: () => signed(Buffer.from(text, 'utf8')) }),
  computeHmacSha256Signature: (value, key) =>
    signed(crypto.createHmac('sha256', bytes(key)).update(bytes(value)).digest()),
};

const lock = { held: false, busy: false };
const LockService = {
  getScriptLock: () => ({
    waitLock: () => {
      if (lock.busy) throw new Error('Lock timeout: another process was holding the lock for too long.');
      lock.held = true;
    },
    releaseLock: () => {
      if (unflushed) throw new Error('released before flush');
      lock.held = false;
    },
  }),
};

let unflushed = false;
let sheet = null;

function typed(value) {
  if (typeof value !== 'string') return value;
  if (value.length > 50000) throw new Error('Your input contains more than the maximum of 50000 characters.');
  if (value.startsWith("'")) return value.slice(1);
  if (/^[=+@-]/.test(value) && Number.isNaN(Number(value))) return { formula: value };
  if (value.trim() !== '' && !Number.isNaN(Number(value))) return Number(value);
  return value;
}

class Sheet {
  rows = [];
  columns = 26;
  frozen = 0;
  setFrozenRows(number) {
    this.frozen = number;
  }
  getLastRow = () => this.rows.length;
  getLastColumn = () => Math.max(0, ...this.rows.map((row) => row.length));
  getMaxColumns = () => this.columns;
  insertColumnsAfter(after, number) {
    if (after !== this.columns) throw new Error('only at the end here');
    this.columns += number;
  }
  write(row, column, values) {
    if (!lock.held) throw new Error('written without the lock');
    if (column - 1 + values.length > this.columns) throw new Error('Those columns are out of bounds.');
    unflushed = true;
    while (this.rows.length < row) this.rows.push([]);
    const line = this.rows[row - 1];
    values.forEach((value, i) => {
      line[column - 1 + i] = typed(value);
    });
  }
  appendRow = (values) => this.write(this.rows.length + 1, 1, values);
  getRange(row, column, height, width) {
    const cells = () =>
      this.rows.slice(row - 1, row - 1 + height).map((each) => each.slice(column - 1, column - 1 + (width ?? 1)));
    return {
      createTextFinder: (text) => new Finder(cells().flat(), text),
      getValues: cells,
      setValues: (lines) => lines.forEach((line, i) => this.write(row + i, column, line)),
    };
  }
}

class Finder {
  constructor(cells, text) {
    this.cells = cells;
    this.text = text;
    this.entire = false;
  }
  matchEntireCell(entire) {
    this.entire = entire;
    return this;
  }
  findNext() {
    const matches = (cell) => (this.entire ? cell === this.text : `${cell}`.includes(this.text));
    return this.cells.some(matches) ? {} : null;
  }
}

const SpreadsheetApp = {
  getActiveSpreadsheet: () => ({
    getSheetByName: () => sheet,
    insertSheet: () => {
      sheet = new Sheet();
      return sheet;
    },
  }),
  flush: () => {
    unflushed = false;
  },
};

const ContentService = { createTextOutput: (text) => ({ text }) };

const script = vm.createContext({ Utilities, LockService, SpreadsheetApp, ContentService });
vm.runInContext(fs.readFileSync(process.argv[2], 'utf8'), script);

function orders(order) {
  if (order.$ === 'busy') lock.busy = order.busy;
  if (order.$ === 'width') sheet.columns = order.width;
  if (order.$ === 'sort') {
    // "Sort sheet Z to A" by the first column: what is frozen stays
    const key = (row) => `${row[0]}`;
    const sorted = sheet.rows.splice(sheet.frozen).sort((one, other) => (key(one) < key(other) ? 1 : -1));
    sheet.rows.push(...sorted);
  }
  if (order.$ === 'move') for (const row of sheet.rows) row.splice(order.to, 0, ...row.splice(order.column, 1));
  return { rows: sheet ? sheet.rows : [] };
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { order, contents } = JSON.parse(line);
  let result;
  try {
    result = order ? orders(order) : { text: script.doPost({ postData: { contents } }).text };
  } catch (error) {
    result = { thrown: `${error}` };
    lock.held = false;
    unflushed = false;
  }
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
