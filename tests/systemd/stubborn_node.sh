#!/bin/bash
# Stands where `node` is, and is the worst child there can be: it says hello and shows a QR as it should, then hears
# neither stdin nor SIGTERM, and has a grandchild in a session of its own that does the same (as Chromium has).
if [ "$1" = --version ]; then
  echo v20.20.2
  exit
fi
trap '' TERM HUP
setsid sh -c 'trap "" TERM HUP; while :; do sleep 7777; done' &
now=$(date +%s%3N)
echo '{"v":1,"type":"hello","seq":1,"at":'"$now"',"pid":'$$',"versions":{"listener":"0.1.0","whatsapp_web_js":"1.34.7",'\
'"puppeteer":"24.38.0","browser":null,"node":"20.20.2"},"profile_new":true}'
echo '{"v":1,"type":"qr","seq":2,"at":'"$now"',"qr":"2@AbCd,Ef==,Gh==,Ij==,1","valid_seconds":60}'
while :; do sleep 8888; done
