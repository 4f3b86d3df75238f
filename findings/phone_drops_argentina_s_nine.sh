#!/usr/bin/env bash
# npm `phone` 3.1.72 calls Argentine mobiles valid and hands back another number.
#
# One would guess: a number that it calls valid comes back as it was; `0341 15 555-1234` becomes +5493415551234 or is refused.
# What happens: the 9 of +54 9 (an Argentine mobile's WhatsApp id has it) is taken for a trunk code and cut off, `isValid: true`.
#   The documented way to turn that off, `strictDetection`, calls the right number invalid. Written as people write it, with
#   0 and 15, it comes back with the 15 inside: twelve digits that no network has, valid again. So one customer has three
#   "valid" numbers, and none of them is the one WhatsApp uses. Uruguay, Chile and Paraguay come out right.
# Who is hurt: whoever normalises phones of a form, a sheet or a vCard with it and then joins them with WhatsApp ids, or
#   makes wa.me links: no match, a second contact for the same person, a link to nobody.
# Way out: libphonenumber-js answers +5493415551234 for all three.
# Versions: phone 3.1.72, libphonenumber-js 1.13.16 beside it. Seen 2026-11-30. The numbers are made up.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix . phone@3.1.72 libphonenumber-js@1.13.16 >/dev/null \
  || { echo "cannot install the packages"; exit 2; }

cat > seen.cjs <<'JS'
const { phone } = require("phone");
const { parsePhoneNumber } = require("libphonenumber-js/max");
console.log("phone", require("phone/package.json").version, "node", process.version);
const seen = {};
const show = (text, options) => {
  const { isValid, phoneNumber } = phone(text, options);
  const other = parsePhoneNumber(text, options.country && options.country.slice(0, 2));
  const key = text + (options.strictDetection ? " (strict)" : "");
  seen[key] = isValid ? phoneNumber : "invalid";
  const beside = `libphonenumber-js: ${other.number} ${other.isValid() ? other.getType() : "invalid"}`;
  console.log(key.padEnd(28), seen[key].padEnd(16), beside);
};
show("+54 9 341 555-1234", {});
show("+54 9 341 555-1234", { strictDetection: true });
show("0341 15 555-1234", { country: "AR" });
show("011 15 5555-1234", { country: "AR" });
show("099 123 456", { country: "UY" });
const recorded = {
  "+54 9 341 555-1234": "+543415551234",
  "+54 9 341 555-1234 (strict)": "invalid",
  "0341 15 555-1234": "+54341155551234",
  "011 15 5555-1234": "+54111555551234",
  "099 123 456": "+59899123456",
};
const asRecorded = Object.keys(recorded).every((key) => seen[key] === recorded[key]);
console.log(asRecorded ? "as recorded" : "CHANGED");
process.exitCode = asRecorded ? 0 : 1;
JS
node seen.cjs
