// Interactive messages: what businesses send to be tapped (lists, buttons, flows, carousels, templates), and what people answer.
// The raw names are those of the page's parsers (WAWebParseListMessageProto, WAWebParseInteractiveMessageProto,
// WAWebParseTemplateMessageProto and others, build of 2026-04-27).
import { list, record, text } from './raw.js';
import { short } from './shared.js';

/** @typedef {import('./raw.js').Raw} Raw */

/** Fields of a flow's answer that the person did not fill in. */
const TECHNICAL_FIELDS = new Set(['flow_token', 'flow_message_version', 'wa_flow_response_params']);

/**
 * The field `menu`: what can be tapped, by the words it shows.
 * @param {Raw} raw
 * @returns {Record<string, unknown> | null} null for a message without any
 */
export function menuOf(raw) {
  const menuList = record(raw.list);
  const found = menuList === null ? buttonsOf(raw) : { kind: 'list', options: listOptions(menuList) };
  if (found === null) return null;
  return {
    kind: found.kind,
    name: text(raw.nativeFlowName),
    title: short(menuList?.title) ?? short(record(raw.interactiveHeader)?.title) ?? short(raw.title),
    footer: short(raw.footer),
    options: found.options.filter((option) => option !== null),
  };
}

/**
 * The cards of a carousel, or the buttons of a template or a flow.
 * @param {Raw} raw
 * @returns {{kind: string, options: (string | null)[]} | null} null when it has none. An option is null where its words are not
 *   known
 */
function buttonsOf(raw) {
  const cards = list(raw.carouselCardsParsed);
  if (cards.length > 0)
    return { kind: 'carousel', options: cards.map((card) => short(record(card)?.caption)) };
  const buttons = list(raw.hydratedButtons ?? raw.dynamicReplyButtons);
  if (buttons.length > 0) return { kind: 'buttons', options: buttons.map(buttonLabel) };
  if (raw.type !== 'interactive' && raw.type !== 'native_flow') return null;
  const flowButtons = list(raw.nativeFlowButtons ?? record(raw.interactivePayload)?.buttons);
  return { kind: 'flow', options: flowButtons.map(buttonLabel) };
}

/** The titles of a list's rows. @param {Raw} menuList */
function listOptions(menuList) {
  const rows = list(menuList.sections).flatMap((section) => list(record(section)?.rows));
  return rows.map((row) => short(record(row)?.title));
}

/**
 * The words on a button. Each kind keeps them elsewhere; that of a flow as JSON.
 * @param {unknown} value a button of any of the kinds that the page knows
 * @returns {string | null} null where they are not known
 */
function buttonLabel(value) {
  const button = record(value) ?? {};
  const template =
    record(button.quickReplyButton) ?? record(button.urlButton) ?? record(button.callButton) ?? button;
  const label = short(template.displayText) ?? short(record(button.buttonText)?.displayText);
  const flow = record(button.nativeFlowInfo) ?? button;
  return label ?? short(parsed(flow.buttonParamsJson ?? flow.paramsJson)?.display_text);
}

/**
 * The field `reply`: the answer to a list, a button or a flow. Of a flow `answers` holds what was filled in, in order.
 * @param {Raw} raw
 * @returns {Record<string, unknown> | null} null for a message that answers none
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
  const payload = raw.type === 'interactive_response' ? (record(raw.interactivePayload) ?? {}) : null;
  const flow = record(raw.nativeFlowResponseMessage) ?? record(answer?.nativeFlowResponseMessage) ?? payload;
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
 * What a person filled in in a flow. Only texts and numbers; a long one is cut.
 * @param {Raw | null} params field -> value, or list of values
 * @returns {string[]}
 */
function answersOf(params) {
  return Object.entries(params ?? {}).flatMap(([name, value]) => {
    if (TECHNICAL_FIELDS.has(name)) return [];
    const values = Array.isArray(value) ? value : [value];
    return values
      .filter((each) => ['string', 'number'].includes(typeof each) && each !== '')
      .map((each) => String(each).slice(0, 1000));
  });
}

/**
 * @param {unknown} json text
 * @returns {Raw | null} the object that it holds; null for anything else
 */
function parsed(json) {
  try {
    return typeof json === 'string' ? record(JSON.parse(json)) : null;
  } catch {
    return null;
  }
}
