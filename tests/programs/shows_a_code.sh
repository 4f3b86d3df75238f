#!/bin/sh
# Stands where `node` is: it says hello, shows a code to scan, and ends when it is told anything.
if [ "$1" = --version ]; then
  echo v22.12.0
  exit
fi
now=$(date +%s%3N)
echo '{"v":1,"type":"hello","seq":1,"at":'"$now"',"pid":'$$',"versions":{"listener":"0.1.0","whatsapp_web_js":"1.34.7",'\
'"puppeteer":"24.38.0","browser":null,"node":"22.12.0"},"profile_new":true}'
echo '{"v":1,"type":"qr","seq":2,"at":'"$now"',"qr":"2@AbCd,Ef==,Gh==,Ij==,1","valid_seconds":60}'
read -r _command
