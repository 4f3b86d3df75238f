// What a record shows about who or what sent a message, besides its words: a broadcast list, a bot, a template, a device at a
// provider. Pure. docs/protocol.md lists the marks; what they mean for leads is decided in Python.
//
// The names are those of WhatsApp Web's own records (WAWebMsgModel, build of 2026-04-27), and where they come from:
// - broadcast, broadcastId: WAWebMsgProcessingApiUtils. Each copy of our own list has both; what came by somebody else's
//   list has only the list's id; a copy of our own that came with the history has only the flag.
// - pmCampaignId, smbClientCampaignId, bizSource `smb_promo`: a marketing message (WAWebParseWebMessageInfoApi).
// - bizBotType: Meta's business AI or another company's bot (WAWebBotTypes; from the stanza, or `is1PBizBotMessage`). A page
//   also puts it on what it sends itself to a business with a bot (WAWebMsgDataUtils), and ours sends nothing.
// - isFromTemplate, templateId, hsmTag: a template of the Business API (WAWebParseTemplateMessageProto).
// - author: of our messages the device they were sent from. Device 99, or a hosted server, is that of a provider
//   (WAWebWid.isHosted).
// All of these but smbClientCampaignId and verifiedBizName are columns of the page's disk too, under the same names
// (WAWebSchemaMessage), so a sweep sees the same marks as the live path.
import { isBot, isHosted, messageId, widText } from './ids.js';
import { text } from './raw.js';

/** @typedef {import('./raw.js').Raw} Raw */

/**
 * The field in which the page's agent notes that a provider's device sent the message: an id as text no longer names the device.
 */
export const SENT_HOSTED = 'leadmasterd_hosted';

/**
 * The field `marks`: those that the record shows, each with its value, or true for one that has none.
 * @param {Raw} raw
 * @param {Raw | null} addressBook what the page knows about the other party
 * @returns {Record<string, string | true> | null} null when it shows none
 */
export function marksOf(raw, addressBook) {
  const id = messageId(raw.id);
  const campaign = text(raw.pmCampaignId) ?? text(raw.smbClientCampaignId);
  /** @type {Record<string, string | boolean | null>} */
  const candidates = {
    broadcast: widText(raw.broadcastId) ?? raw.broadcast === true,
    campaign: campaign ?? raw.bizSource === 'smb_promo',
    bot: text(raw.bizBotType),
    assistant: isBot(id?.participant ?? null) || raw.isSupportAIMessage === true,
    template:
      raw.isFromTemplate === true ||
      raw.type === 'hsm' ||
      text(raw.templateId) !== null ||
      text(raw.hsmTag) !== null,
    native_flow: text(raw.nativeFlowName),
    api: id?.fromMe === true && (raw[SENT_HOSTED] === true || isHosted(raw.author)),
    automated_greeting: raw.type === 'automated_greeting_message',
    hosted: raw.senderOrRecipientAccountTypeHosted === true || isHosted(id?.remote) || isHosted(raw.from),
    verified_name: id?.fromMe ? null : (text(raw.verifiedBizName) ?? text(addressBook?.verified_name)),
  };
  /** @type {Record<string, string | true> | null} */
  let shown = null;
  for (const name of Object.keys(candidates)) {
    const value = candidates[name];
    if (typeof value === 'string' || value === true) {
      shown ??= {};
      shown[name] = value;
    }
  }
  return shown;
}
