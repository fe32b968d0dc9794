#!/bin/sh
# make.sh: write the files of this folder anew, with the programs that people have. It needs
# LibreOffice Calc, and Python with pandas and openpyxl; on Debian:
#   apt-get install --no-install-recommends libreoffice-calc-nogui python3-pandas python3-openpyxl
# Excel's own conventions are written by make.py byte by byte. All lists pay the same: list.csv.
set -eu
cd "$(dirname "$0")"
python3 make.py
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
convert() { # FILTER NAME: list.csv, read as by a person who accepts what the dialogue offers
	soffice --headless -env:UserInstallation="file://$work/profile" \
		--infilter='CSV:44,34,76,1,,1033' --convert-to "$1" --outdir "$work" list.csv >/dev/null
	mv "$work/list.${1%%:*}" "$2"
}
convert xlsx libreoffice.xlsx
convert 'csv:Text - txt - csv (StarCalc):59,34,76,1,,1033' libreoffice-semicolon.csv
convert 'csv:Text - txt - csv (StarCalc):9,34,65535,1,,1033' libreoffice-utf16.csv
convert xls libreoffice.xls
convert ods libreoffice.ods
