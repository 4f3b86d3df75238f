// What businesses send to be tapped (lists, buttons, flows, carousels, templates), and the answers to it.
// The raw names are those of the page's parsers (WAWebParseListMessageProto, WAWebParseInteractiveMessageProto,
// WAWebParseTemplateMessageProto and others, build of 2026-04-27).
import { list, record, text } from './raw.js';
import { short } from './shared.js';

/** @typedef {import('./raw.js').Raw} Raw */

/** What a flow sends back besides what the person filled in. */
const OF_THE_FLOW = new Set(['flow_token', 'flow_message_version', 'wa_flow_response_params']);

/**
 * What can be tapped.
 * @param {Raw} raw
 * @returns {Record<string, unknown> | null}
 */
export function menuOf(raw) {
  const found = record(raw.list)
    ? { kind: 'list', options: listOptions(/** @type {Raw} */ (raw.list)) }
    : flowOf(raw);
  if (found === null) return null;
  return {
    kind: found.kind,
    name: text(raw.nativeFlowName),
    title: short(record(raw.list)?.title) ?? short(record(raw.interactiveHeader)?.title) ?? short(raw.title),
    footer: short(raw.footer),
    options: found.options.filter((option) => option !== null),
  };
}

/** @param {Raw} raw */
function flowOf(raw) {
  const cards = list(raw.carouselCardsParsed);
  if (cards.length > 0)
    return { kind: 'carousel', options: cards.map((card) => short(record(card)?.caption)) };
  const buttons = list(raw.hydratedButtons ?? raw.dynamicReplyButtons);
  if (buttons.length > 0) return { kind: 'buttons', options: buttons.map(buttonLabel) };
  if (raw.type !== 'interactive' && raw.type !== 'native_flow') return null;
  const shown = list(raw.nativeFlowButtons ?? record(raw.interactivePayload)?.buttons);
  return { kind: 'flow', options: shown.map(buttonLabel) };
}

/** @param {Raw} menu */
function listOptions(menu) {
  const rows = list(menu.sections).flatMap((section) => list(record(section)?.rows));
  return rows.map((row) => short(record(row)?.title));
}

/**
 * @param {unknown} value a button of any of the kinds that the page knows
 * @returns {string | null}
 */
function buttonLabel(value) {
  const button = record(value) ?? {};
  const template =
    record(button.quickReplyButton) ?? record(button.urlButton) ?? record(button.callButton) ?? button;
  const shown = short(template.displayText) ?? short(record(button.buttonText)?.displayText);
  const flow = record(button.nativeFlowInfo) ?? button;
  return shown ?? short(parsed(flow.buttonParamsJson ?? flow.paramsJson)?.display_text);
}

/**
 * The answer to a list, a button or a flow. `answers`: what was filled in, in order.
 * @param {Raw} raw
 * @returns {Record<string, unknown> | null}
 */
export function replyOf(raw) {
  const row = record(raw.listResponse);
  if (row !== null) {
    const id = text(record(row.singleSelectReply)?.selectedRowId);
    return { kind: 'list', id, text: text(row.title) ?? text(raw.body) };
  }
  const button = text(raw.selectedButtonId) ?? text(raw.selectedId);
  if (button !== null) return { kind: 'button', id: button, text: text(raw.body) };
  const answer = record(raw.interactiveResponseMessage) ?? record(raw.interactiveResponse);
  const flow =
    record(raw.nativeFlowResponseMessage) ??
    record(answer?.nativeFlowResponseMessage) ??
    (raw.type === 'interactive_response' ? (record(raw.interactivePayload) ?? {}) : null);
  if (flow === null && answer === null) return null;
  const answers = answersOf(parsed(flow?.paramsJson ?? flow?.buttonParamsJson));
  return {
    kind: 'flow',
    id: text(flow?.name) ?? text(raw.nativeFlowName),
    text: text(record(answer?.body)?.text) ?? text(raw.body),
    ...(answers.length > 0 && { answers }),
  };
}

/**
 * @param {Raw | null} params
 * @returns {string[]}
 */
function answersOf(params) {
  return Object.entries(params ?? {}).flatMap(([name, value]) => {
    if (OF_THE_FLOW.has(name)) return [];
    const values = Array.isArray(value) ? value : [value];
    return values
      .filter((each) => ['string', 'number'].includes(typeof each) && each !== '')
      .map((each) => String(each).slice(0, 1000));
  });
}

/**
 * @param {unknown} json
 * @returns {Raw | null} null also for what is not JSON
 */
function parsed(json) {
  try {
    return typeof json === 'string' ? record(JSON.parse(json)) : null;
  } catch {
    return null;
  }
}
